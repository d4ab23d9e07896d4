//! Files and what they use of each other.

use std::collections::{BTreeMap, VecDeque};

/// Item name to the first line that uses it.
type Items = BTreeMap<String, usize>;

#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    edges: BTreeMap<String, BTreeMap<String, Items>>,
}

impl Graph {
    /// Records that `file` uses `item` of `definer`; a file that uses its own items is no edge.
    pub(super) fn add(&mut self, file: &str, definer: &str, item: &str, line: usize) {
        if file == definer {
            return;
        }
        let items = self
            .edges
            .entry(file.to_owned())
            .or_default()
            .entry(definer.to_owned())
            .or_default();
        items.entry(item.to_owned()).or_insert(line);
    }

    pub(super) fn items(&self, file: &str, definer: &str) -> &Items {
        &self.edges[file][definer]
    }

    /// Circles that share no edge, the shortest first; without one edge of each there is none left. Each starts at its
    /// first file in the order of the alphabet.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let mut remaining = self.clone();
        std::iter::from_fn(|| {
            let mut circle = remaining.shortest_circle()?;
            for (file, next) in circle.iter().zip(circle.iter().cycle().skip(1)) {
                if let Some(definers) = remaining.edges.get_mut(file) {
                    definers.remove(next);
                }
            }
            let first = (0..circle.len()).min_by_key(|index| &circle[*index]).unwrap_or(0);
            circle.rotate_left(first);
            Some(circle)
        })
        .collect()
    }

    fn shortest_circle(&self) -> Option<Vec<String>> {
        self.edges
            .iter()
            .flat_map(|(file, definers)| definers.keys().map(move |definer| (file, definer)))
            .filter_map(|(file, definer)| self.shortest_path(definer, file))
            .min_by_key(Vec::len)
    }

    /// The files from `start` to `end`, both included.
    fn shortest_path(&self, start: &str, end: &str) -> Option<Vec<String>> {
        let mut previous: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(file) = queue.pop_front() {
            if file == end {
                let mut path = vec![file.to_owned()];
                let mut at = file;
                while at != start {
                    at = previous[at];
                    path.push(at.to_owned());
                }
                path.reverse();
                return Some(path);
            }
            for next in self.edges.get(file).into_iter().flat_map(BTreeMap::keys) {
                if next != start && !previous.contains_key(next.as_str()) {
                    previous.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}
