//! The shortest path to where the core and the second reading part.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use super::reference::Disagreement;
use super::{Move, World};

/// Moves, one behind the other, and what came of the last.
pub(crate) struct Path {
    pub(crate) steps: Vec<Move>,
    pub(crate) parted: Disagreement,
    /// How many states were seen before.
    pub(crate) states: usize,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "  {step:?}")?;
        }
        write!(f, "{}", self.parted)
    }
}

/// Looks for a disagreement, nearest states first, among so many states at most.
pub(crate) fn shortest_path(first: World, most: usize) -> Option<Path> {
    let mut seen: HashSet<u64, foldhash::fast::FixedState> =
        HashSet::from_iter([first.fingerprint()]);
    // How each state was reached: from which other one, by which move.
    let mut reached: Vec<Option<(usize, Move)>> = vec![None];
    let mut open = VecDeque::from([(0, first)]);
    while let Some((number, world)) = open.pop_front() {
        for step in world.moves() {
            let mut next = world.clone();
            if let Err(parted) = next.try_to_perform(&step) {
                let mut steps = vec![step];
                let mut at = number;
                while let Some((before, step)) = &reached[at] {
                    steps.push(step.clone());
                    at = *before;
                }
                steps.reverse();
                return Some(Path { steps, parted, states: seen.len() });
            }
            if seen.len() < most && seen.insert(next.fingerprint()) {
                reached.push(Some((number, step)));
                open.push_back((reached.len() - 1, next));
            }
        }
    }
    None
}
