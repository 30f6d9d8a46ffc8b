//! Merge keys (`<<`) and duplicate keys, settled once for the whole document.

use std::collections::HashSet;

use super::node::{Entry, Flaw, Node, Place, Step};
use super::problem::shown;

/// The key whose map, or list of maps, is merged into the map around it.
const MERGE: &str = "<<";

/// Merges what is to be merged, below `node` first. Explicit keys win, then earlier maps of a list.
/// Repeated keys are dropped and reported.
pub(super) fn settle(node: &mut Node, place: &Place, flaws: &mut Vec<Flaw>) {
    match node {
        Node::List(list) => {
            for (index, item) in list.iter_mut().enumerate() {
                settle(item, &place.item(index), flaws);
            }
        }
        Node::Map(map) => {
            for entry in map.iter_mut() {
                let place = place.value(entry);
                settle(&mut entry.value, &place, flaws);
            }
            *map = settle_map(std::mem::take(map), place, flaws);
        }
        Node::Null | Node::Bool(..) | Node::Number(..) | Node::Text(_) => {}
    }
}

/// One map whose values are settled already.
fn settle_map(entries: Vec<Entry>, place: &Place, flaws: &mut Vec<Flaw>) -> Vec<Entry> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut own = Vec::new();
    let mut merged = Vec::new();
    for entry in entries {
        if !seen.insert(entry.key.clone()) {
            flaws.push(Flaw {
                place: place.key(&entry),
                message: format!("the key `{}` is there twice", shown(&entry.key)),
            });
        } else if entry.key == MERGE {
            merged.extend(merge(entry, place, flaws));
        } else {
            own.push(entry);
        }
    }
    merged.retain(|entry| seen.insert(entry.key.clone()));
    merged.append(&mut own);
    merged
}

/// The entries that a merge key brings, with the way to them.
fn merge(entry: Entry, place: &Place, flaws: &mut Vec<Flaw>) -> Vec<Entry> {
    let here = place.value(&entry);
    let mut brought = Vec::new();
    let mut bring = |node: Node, route: &[Step], place: Place| match node {
        Node::Map(entries) => brought.extend(entries.into_iter().map(|mut entry| {
            entry.route = [route, &entry.route].concat();
            entry
        })),
        other => flaws.push(Flaw {
            place,
            message: format!("`<<` merges a map or a list of maps, not {}", other.kind()),
        }),
    };
    match entry.value {
        Node::List(list) => {
            for (index, item) in list.into_iter().enumerate() {
                let route = [entry.route.as_slice(), &[Step::Item(index)]].concat();
                bring(item, &route, here.item(index));
            }
        }
        other => bring(other, &entry.route, here),
    }
    brought
}
