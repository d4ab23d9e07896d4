use whim_worker::checks::{Counts, counts};

/// Captured from the named runners; those of Go, Maven and Gradle are from their documentation.
#[test]
fn the_counts_of_every_supported_runner_are_read() {
    for (runner, output, passed, failed) in [
        (
            "cargo 1.95",
            "running 3 tests\ntest tests::a ... ok\n\ntest result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.08s\n",
            1,
            1,
        ),
        (
            "cargo 1.95, two binaries and documentation tests",
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.08s\n\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\n   Doc-tests sample\n\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.31s\n",
            8,
            0,
        ),
        (
            "cargo-nextest",
            "────────────\n     Summary [   0.088s] 2 tests run: 1 passed, 1 failed, 1 skipped\n        FAIL [   0.087s] (2/2) sample tests::b\n",
            1,
            1,
        ),
        (
            "cargo-nextest, slow",
            "     Summary [  61.1s] 4/5 tests run: 4 passed (1 slow), 2 skipped\n",
            4,
            0,
        ),
        (
            "node 20.20 (tap)",
            "1..3\n# tests 3\n# suites 0\n# pass 1\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0\n# duration_ms 118.69\n",
            1,
            1,
        ),
        (
            "node 20.20 (spec)",
            "﹣ c (0.12832ms) # SKIP\nℹ tests 3\nℹ suites 0\nℹ pass 2\nℹ fail 0\nℹ cancelled 0\nℹ skipped 1\nℹ todo 0\n",
            2,
            0,
        ),
        (
            "jest 30",
            "Test Suites: 2 failed, 2 total\nTests:       1 failed, 1 skipped, 1 passed, 3 total\nSnapshots:   0 total\n",
            1,
            1,
        ),
        (
            "vitest 4",
            " Test Files  1 failed (1)\n      Tests  1 failed | 1 passed | 1 skipped (3)\n   Start at  14:09:59\n",
            1,
            1,
        ),
        (
            "mocha 11",
            "  1 passing (3ms)\n  1 pending\n  1 failing\n\n  1) b:\n",
            1,
            1,
        ),
        ("mocha 11, all green", "  ✔ a\n\n  12 passing (3ms)\n", 12, 0),
        (
            "pytest 9",
            "FAILED test_a.py::test_b - assert 1 == 2\n==================== 1 failed, 1 passed, 1 skipped in 0.03s ====================\n",
            1,
            1,
        ),
        (
            "pytest 9, quiet",
            "1 failed, 1 passed, 1 skipped in 0.02s\n",
            1,
            1,
        ),
        (
            "pytest 9, broken",
            "ERROR test_a.py\n=============== 3 passed, 2 errors in 1.30s ===============\n",
            3,
            2,
        ),
        (
            "go test -v",
            "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n    --- FAIL: TestB/sub (0.00s)\n--- FAIL: TestB (0.00s)\n--- SKIP: TestC (0.00s)\nFAIL\n",
            1,
            1,
        ),
        (
            "maven surefire",
            "[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.05 s -- in com.example.ATest\n[INFO]\n[INFO] Results:\n[INFO]\n[ERROR] Tests run: 5, Failures: 1, Errors: 1, Skipped: 1\n[INFO]\n",
            2,
            2,
        ),
        (
            "gradle",
            "> Task :test FAILED\n\n5 tests completed, 1 failed, 1 skipped\n",
            3,
            1,
        ),
    ] {
        assert_eq!(counts(output), Some(Counts { passed, failed }), "{runner}");
    }
}

#[test]
fn other_output_has_no_counts() {
    for output in [
        "",
        "looks fine\n",
        "it took 3 attempts in 5.0s\n",
        "12 passed the door\n",
    ] {
        assert_eq!(counts(output), None, "{output:?}");
    }
}
