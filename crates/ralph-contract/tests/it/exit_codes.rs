//! The exit codes of `ralph`.

use ralph_contract::{ExitCode, UnknownExitCode};

#[test]
fn exit_codes_are_zero_to_three_both_ways() {
    let codes = [
        (ExitCode::Complete, 0),
        (ExitCode::Stuck, 1),
        (ExitCode::IterationsUsedUp, 2),
        (ExitCode::Error, 3),
    ];
    for (code, number) in codes {
        assert_eq!(i32::from(u8::from(code)), number);
        assert_eq!(ExitCode::try_from(number), Ok(code));
    }
}

#[test]
fn every_other_number_is_refused() {
    for number in [-1, 4, 101, 137, 256, i32::MIN, i32::MAX] {
        assert_eq!(ExitCode::try_from(number), Err(UnknownExitCode(number)));
    }
}
