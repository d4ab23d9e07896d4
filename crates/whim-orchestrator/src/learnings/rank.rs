//! The order of learnings for a spec: a pure function of candidates and queries.
//!
//! The cosine of the vectors decides, and words break ties: the best query of a learning is the one with the highest sum. The
//! numbers were chosen on the tuning half of the retrieval set (`docs/decisions/0033-retrieval-of-learnings.md`).

use std::collections::{BTreeMap, BTreeSet};

use whim_core::LearningId;

use super::words::words;

/// Weight of the share of a query's words, weighted by their rarity, that a text has.
const WORDS_WEIGHT: f32 = 0.2;
/// Added if a text has every word of a query of at most [`MAX_NAME_WORDS`] words: someone asks for a name.
const NAME_BONUS: f32 = 0.5;
pub const MAX_NAME_WORDS: usize = 3;
/// Learnings of other repositories count less.
const OTHER_REPO_FACTOR: f32 = 0.7;
/// The record of a learning changes its place among equally relevant ones, and no more.
const PINNED_BONUS: f32 = 0.05;
const SOURCE_BONUS: f32 = 0.01;
const MAX_COUNTED_SOURCES: u32 = 5;
const CITED_BONUS: f32 = 0.03;
const MISSING_CITATION_MALUS: f32 = 0.05;
const AGE_MALUS: f32 = 0.02;
/// Days after which most of [`AGE_MALUS`] applies.
const AGE_DAYS: f32 = 365.0;
/// An item's own learnings come first: they are about the same work.
const OWN_ITEM_BONUS: f32 = 1.0;
/// Share of relevance against novelty in the maximal marginal relevance.
const RELEVANCE_SHARE: f32 = 0.85;

/// A part of a spec: its goal, or one open task.
#[derive(Clone, Debug)]
pub struct Query {
    pub text: String,
    words: Vec<String>,
    /// Of length 1; `None` if there are no vectors.
    vector: Option<Vec<f32>>,
}

impl Query {
    pub fn new(text: impl Into<String>, vector: Option<Vec<f32>>) -> Self {
        let text = text.into();
        Self {
            words: words(&text),
            text,
            vector,
        }
    }

    pub fn words(&self) -> &[String] {
        &self.words
    }

    pub fn vector(&self) -> Option<&[f32]> {
        self.vector.as_deref()
    }
}

/// What is known of a learning before it is ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub id: LearningId,
    pub words: Vec<String>,
    /// Of length 1; `None` until it is embedded.
    pub vector: Option<Vec<f32>>,
    pub place: Place,
    pub is_pinned: bool,
    pub has_missing_citations: bool,
    pub sources: u32,
    /// Attempts that received it, and those whose agent used it.
    pub shown: u32,
    pub cited: u32,
    pub age_days: f32,
}

/// Where a learning comes from, seen from the item that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    SameItem,
    SameRepo,
    OtherRepo,
}

/// How a candidate matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Index of the candidate.
    pub index: usize,
    pub score: f32,
    /// Cosine with the best query.
    pub similarity: Option<f32>,
    /// Index of the best query.
    pub query: usize,
    /// Its words that the text has.
    pub words: Vec<String>,
}

/// How relevance is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    Words,
    Vectors,
    #[default]
    Fused,
}

/// All candidates by falling score.
pub fn rank(candidates: &[Candidate], queries: &[Query], method: Method) -> Vec<Ranked> {
    let rarity = Rarity::of(candidates);
    let mut ranked: Vec<Ranked> = candidates
        .iter()
        .enumerate()
        .filter_map(|(index, candidate)| {
            let best = queries.iter().enumerate().map(|(query, asked)| {
                let relevance = relevance(candidate, asked, &rarity, method);
                Ranked {
                    index,
                    query,
                    ..relevance
                }
            });
            best.max_by(|a, b| a.score.total_cmp(&b.score))
        })
        .map(|mut ranked| {
            ranked.score = with_record(ranked.score, &candidates[ranked.index]);
            ranked
        })
        .collect();
    let id = |ranked: &Ranked| candidates[ranked.index].id;
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| id(b).cmp(&id(a))));
    ranked
}

fn relevance(candidate: &Candidate, query: &Query, rarity: &Rarity<'_>, method: Method) -> Ranked {
    let known: BTreeSet<&str> = candidate.words.iter().map(String::as_str).collect();
    let found: Vec<String> = query
        .words
        .iter()
        .filter(|word| known.contains(word.as_str()))
        .cloned()
        .collect();
    let weight = |words: &[String]| words.iter().map(|word| rarity.weight(word)).sum::<f32>();
    let all = weight(&query.words);
    let share = if all > 0.0 { weight(&found) / all } else { 0.0 };
    let similarity = match (&candidate.vector, &query.vector) {
        (Some(a), Some(b)) if method != Method::Words => Some(cosine(a, b)),
        _ => None,
    };
    let is_name =
        !query.words.is_empty() && query.words.len() <= MAX_NAME_WORDS && found.len() == query.words.len();
    let name_bonus = if is_name { NAME_BONUS } else { 0.0 };
    let by_words = match method {
        Method::Words => share,
        Method::Vectors => 0.0,
        Method::Fused => WORDS_WEIGHT * share + name_bonus,
    };
    Ranked {
        index: 0,
        score: similarity.unwrap_or_default() + by_words,
        similarity,
        query: 0,
        words: found,
    }
}

fn with_record(score: f32, candidate: &Candidate) -> f32 {
    let score = match candidate.place {
        Place::SameItem => score + OWN_ITEM_BONUS,
        Place::SameRepo => score,
        Place::OtherRepo => score * OTHER_REPO_FACTOR,
    };
    let further = candidate.sources.clamp(1, MAX_COUNTED_SOURCES) - 1;
    let cited = candidate.cited as f32 / candidate.shown.max(1) as f32;
    let age = 1.0 - (-candidate.age_days.max(0.0) / AGE_DAYS).exp();
    score
        + if candidate.is_pinned { PINNED_BONUS } else { 0.0 }
        + SOURCE_BONUS * further as f32
        + CITED_BONUS * cited
        - if candidate.has_missing_citations {
            MISSING_CITATION_MALUS
        } else {
            0.0
        }
        - AGE_MALUS * age
}

/// Reorders the ranked candidates so that near-duplicates do not follow each other: each next one maximises its score less
/// its similarity to those before it.
pub fn diversify(candidates: &[Candidate], ranked: Vec<Ranked>) -> Vec<Ranked> {
    let mut rest = ranked;
    let mut chosen: Vec<Ranked> = Vec::with_capacity(rest.len());
    // The highest similarity of each remaining one to a chosen one.
    let mut nearest = vec![0.0_f32; rest.len()];
    while !rest.is_empty() {
        let value = |position: usize| {
            RELEVANCE_SHARE * rest[position].score - (1.0 - RELEVANCE_SHARE) * nearest[position]
        };
        let mut best = 0;
        for position in 1..rest.len() {
            if value(position) > value(best) {
                best = position;
            }
        }
        let next = rest.remove(best);
        nearest.remove(best);
        if let Some(vector) = &candidates[next.index].vector {
            for (other, near) in rest.iter().zip(&mut nearest) {
                if let Some(other) = &candidates[other.index].vector {
                    *near = near.max(cosine(vector, other));
                }
            }
        }
        chosen.push(next);
    }
    chosen
}

/// Cosine of two vectors of length 1.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// In how many candidates a word occurs: a word that all have says nothing.
struct Rarity<'a> {
    counts: BTreeMap<&'a str, u32>,
    total: f32,
}

impl<'a> Rarity<'a> {
    fn of(candidates: &'a [Candidate]) -> Self {
        let mut counts = BTreeMap::new();
        for word in candidates.iter().flat_map(|candidate| &candidate.words) {
            *counts.entry(word.as_str()).or_insert(0) += 1;
        }
        Self {
            counts,
            total: candidates.len() as f32,
        }
    }

    fn weight(&self, word: &str) -> f32 {
        let count = self.counts.get(word).copied().unwrap_or(0) as f32;
        (1.0 + (self.total - count + 0.5) / (count + 0.5)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(text: &str, vector: [f32; 2]) -> Candidate {
        Candidate {
            id: LearningId::new(),
            words: words(text),
            vector: Some(vector.to_vec()),
            place: Place::SameRepo,
            is_pinned: false,
            has_missing_citations: false,
            sources: 1,
            shown: 0,
            cited: 0,
            age_days: 0.0,
        }
    }

    fn order(candidates: &[Candidate], queries: &[Query]) -> Vec<usize> {
        let ranked = rank(candidates, queries, Method::Fused);
        ranked.iter().map(|ranked| ranked.index).collect()
    }

    #[test]
    fn the_best_query_of_a_learning_counts() {
        let candidates = [
            candidate("between both", [0.7, 0.7]),
            candidate("exactly the second", [0.0, 1.0]),
        ];
        let queries = [
            Query::new("first", Some(vec![1.0, 0.0])),
            Query::new("second thing", Some(vec![0.0, 1.0])),
        ];
        assert_eq!(order(&candidates, &queries), [1, 0]);
    }

    #[test]
    fn a_name_outranks_meaning() {
        let candidates = [
            candidate("close in meaning", [1.0, 0.0]),
            candidate("read it with `APIReader`", [0.6, 0.8]),
        ];
        let queries = [Query::new("APIReader", Some(vec![1.0, 0.0]))];
        assert_eq!(order(&candidates, &queries), [1, 0]);
    }

    #[test]
    fn without_vectors_words_decide() {
        let candidates = [
            candidate("migrations need a name", [1.0, 0.0]),
            candidate("tests need a database", [0.0, 1.0]),
        ];
        let queries = [Query::new("a test of the database pool", None)];
        assert_eq!(order(&candidates, &queries), [1, 0]);
    }

    #[test]
    fn the_record_breaks_ties() {
        let plain = candidate("one", [1.0, 0.0]);
        let queries = [Query::new("thing", Some(vec![1.0, 0.0]))];
        for better in [
            Candidate {
                is_pinned: true,
                ..plain.clone()
            },
            Candidate {
                sources: 3,
                ..plain.clone()
            },
            Candidate {
                shown: 4,
                cited: 2,
                ..plain.clone()
            },
            Candidate {
                place: Place::SameItem,
                ..plain.clone()
            },
        ] {
            assert_eq!(order(&[plain.clone(), better], &queries), [1, 0]);
        }
        for worse in [
            Candidate {
                has_missing_citations: true,
                ..plain.clone()
            },
            Candidate {
                age_days: 400.0,
                ..plain.clone()
            },
            Candidate {
                place: Place::OtherRepo,
                ..plain.clone()
            },
        ] {
            assert_eq!(order(&[worse, plain.clone()], &queries), [1, 0]);
        }
    }

    #[test]
    fn near_duplicates_do_not_follow_each_other() {
        let candidates = [
            candidate("a", [0.940, 0.341]),
            candidate("b", [0.934, 0.358]),
            candidate("c", [0.927, -0.375]),
        ];
        let queries = [Query::new("thing", Some(vec![1.0, 0.0]))];
        let ranked = rank(&candidates, &queries, Method::Fused);
        assert_eq!(ranked.iter().map(|r| r.index).collect::<Vec<_>>(), [0, 1, 2]);
        let diverse = diversify(&candidates, ranked);
        assert_eq!(diverse.iter().map(|r| r.index).collect::<Vec<_>>(), [0, 2, 1]);
    }
}
