//! What is the same in all states of a world.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

/// Part of every state, and no part of what tells states apart.
#[derive(Clone, Debug)]
pub(crate) struct Fixed<T>(Rc<T>);

impl<T> Fixed<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Rc::new(value))
    }
}

impl<T> Deref for Fixed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> PartialEq for Fixed<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Fixed<T> {}

impl<T> Hash for Fixed<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
