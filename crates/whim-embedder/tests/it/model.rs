//! The embedded model.

use std::fs;

use whim_core::embedder::{DIMENSIONS, EmbedderReady, EmbedderSource};
use whim_testkit::tools;

use crate::Embedder;

fn source() -> EmbedderSource {
    EmbedderSource::Model {
        directory: tools::embedding_model().unwrap(),
    }
}

/// The first numbers of three vectors, computed by another implementation of the model in double precision.
#[test]
fn vectors_are_those_of_the_reference() {
    let long = "word ".repeat(400);
    let expected = [
        (
            "Tests need port 5433",
            [
                0.006_765, -0.030_357, -0.055_149, -0.043_301, -0.035_223, -0.080_166,
            ],
        ),
        (
            "Liste der Beträge: `split_evenly` rounds each share",
            [-0.049_992, 0.027_02, -0.006_5, -0.002_866, -0.010_706, 0.007_835],
        ),
        // Longer than the 256 tokens that the model reads.
        (
            long.as_str(),
            [
                -0.008_124, -0.095_586, -0.038_673, 0.049_662, -0.043_794, 0.023_72,
            ],
        ),
    ];
    let mut embedder = Embedder::ready(&source());
    let together = embedder.vectors(&expected.map(|(text, _)| text));
    for ((text, numbers), vector) in expected.into_iter().zip(&together) {
        assert_eq!(vector.len(), DIMENSIONS);
        let length: f32 = vector.iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
        for (found, number) in vector.iter().zip(numbers) {
            assert!(
                (found - number).abs() < 1e-4,
                "{text}: {found} instead of {number}"
            );
        }
        assert_eq!(
            &embedder.vectors(&[text])[0],
            vector,
            "a vector depends on its neighbours"
        );
    }
    assert_eq!(embedder.end(), 0);
}

#[test]
fn an_invalid_request_is_answered_and_the_next_one_is_served() {
    let mut embedder = Embedder::ready(&source());
    let answer = embedder.send("{\"texts\": 7}");
    assert!(answer.contains("the request is not valid"), "{answer}");
    assert_eq!(embedder.vectors(&["one", "two"]).len(), 2);
    assert_eq!(embedder.vectors(&[]).len(), 0);
    assert_eq!(embedder.end(), 0);
}

#[test]
fn files_that_are_missing_or_others_are_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let source = EmbedderSource::Model {
        directory: directory.path().to_owned(),
    };
    let error = |source: &EmbedderSource| {
        let (embedder, ready) = Embedder::start(source);
        assert_eq!(embedder.end(), 1);
        match ready {
            EmbedderReady::Error(error) => error,
            EmbedderReady::Ready => panic!("it is ready"),
        }
    };
    let missing = error(&source);
    assert!(
        missing.contains("config.json") && missing.contains("./scripts/setup.sh"),
        "{missing}"
    );
    fs::write(directory.path().join("config.json"), "{}").unwrap();
    let other = error(&source);
    assert!(other.contains("config.json has the SHA-256"), "{other}");
}
