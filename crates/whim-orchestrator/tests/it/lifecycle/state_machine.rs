//! Random sequences of operations on the orchestrator with a real database, compared with a reference model.
//!
//! A failed run prints its seed and the shortest failing sequence. `PROPTEST_RNG_SEED` repeats a seed, and
//! `PROPTEST_CASES` sets the number of cases.

mod machine;
mod model;

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngSeed, TestRunner};
use tokio::sync::Mutex;
use whim_core::{FailureCause, Priority};

use self::machine::Machine;
use self::model::Report;

const CASES: u32 = 50;
const MOST_STEPS: usize = 50;

/// One operation.
#[derive(Clone, Debug)]
enum Step {
    Enqueue(Priority),
    Claim,
    /// This many times in a row: an item is claimed, its worker ends before it registers, and the backoff ends.
    FailedStarts(usize),
    Register(Pick),
    HeartbeatRow {
        worker: Pick,
        iteration: u32,
        /// Whether it is repeated with another iteration.
        again: Option<u32>,
    },
    Report {
        worker: Pick,
        report: Report,
        cause: FailureCause,
        iterations: u32,
    },
    Expire(Pick),
    Kill(Pick),
    Cancel(Pick),
    Requeue(Pick),
    EndWaits,
    Restart,
}

/// Selects a worker or an item: among those to which the step applies, if any, or among all.
#[derive(Clone, Debug)]
struct Pick {
    fits: bool,
    index: Index,
}

/// Mostly selects one to which the step applies, because ended ones soon outnumber the others.
fn pick() -> impl Strategy<Value = Pick> {
    (weighted(0.8), any::<Index>()).prop_map(|(fits, index)| Pick { fits, index })
}

fn step() -> impl Strategy<Value = Step> {
    let priorities = select(vec![Priority::High, Priority::Medium, Priority::Low]);
    // Causes that spend a retry are more frequent: several of one item are needed to exhaust its retries.
    let spending = vec![
        FailureCause::Crash,
        FailureCause::Resources,
        FailureCause::TestsFailed,
    ];
    let causes = prop_oneof![select(spending), select(FailureCause::ALL.to_vec())];
    let failures = (
        pick(),
        prop_oneof![Just(Report::Fail), Just(Report::Stuck)],
        causes,
        0..6_u32,
    );
    prop_oneof![
        4 => priorities.prop_map(Step::Enqueue),
        6 => Just(Step::Claim),
        1 => (1..8_usize).prop_map(Step::FailedStarts),
        6 => pick().prop_map(Step::Register),
        8 => (pick(), 0..6_u32, option::of(0..6_u32))
            .prop_map(|(worker, iteration, again)| Step::HeartbeatRow { worker, iteration, again }),
        3 => (pick(), 0..6_u32).prop_map(|(worker, iterations)| Step::Report {
            worker,
            report: Report::Complete,
            cause: FailureCause::Crash,
            iterations,
        }),
        6 => failures
            .prop_map(|(worker, report, cause, iterations)| Step::Report { worker, report, cause, iterations }),
        2 => pick().prop_map(Step::Expire),
        1 => pick().prop_map(Step::Kill),
        1 => pick().prop_map(Step::Cancel),
        2 => pick().prop_map(Step::Requeue),
        3 => Just(Step::EndWaits),
        1 => Just(Step::Restart),
    ]
}

#[test]
fn any_sequence_of_operations_leaves_the_rows_that_the_model_predicts() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "proptest's own variable: the number of cases, if it is set"
    )]
    let more_cases = std::env::var("PROPTEST_CASES").is_ok();
    let defaults = ProptestConfig::default();
    let mut config = ProptestConfig {
        cases: if more_cases { defaults.cases } else { CASES },
        // The seed reproduces a failure; a file of old failures is not kept.
        failure_persistence: None,
        // Each shrink step costs a case.
        max_shrink_iters: 300,
        ..defaults
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(rand::random());
    }
    let seed = config.rng_seed;
    let machine = Mutex::new(runtime.block_on(Machine::new()));

    let result = TestRunner::new(config).run(&vec(step(), 1..MOST_STEPS), |steps| {
        runtime.block_on(async { machine.lock().await.run(&steps).await })
    });

    if let Err(error) = result {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}
