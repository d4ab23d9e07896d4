//! Git's pkt-lines: <https://git-scm.com/docs/protocol-common#_pkt_line_format>.

const LENGTH_BYTES: usize = 4;
/// With the length.
const MAX_BYTES: usize = 65520;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PktLine<'a> {
    Data(&'a [u8]),
    /// `0000`.
    Flush,
    /// `0001`.
    Delimiter,
    /// `0002`.
    ResponseEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a pkt-line")]
pub(super) struct InvalidPktLine;

/// The first line of `input`, and what follows it. `None` if the line is not complete yet.
pub(super) fn first(input: &[u8]) -> Result<Option<(PktLine<'_>, &[u8])>, InvalidPktLine> {
    let Some((length, rest)) = input.split_at_checked(LENGTH_BYTES) else {
        // A wrong digit is reported at once.
        return if input.iter().all(u8::is_ascii_hexdigit) {
            Ok(None)
        } else {
            Err(InvalidPktLine)
        };
    };
    if !length.iter().all(u8::is_ascii_hexdigit) {
        return Err(InvalidPktLine);
    }
    let length = std::str::from_utf8(length).map_err(|_| InvalidPktLine)?;
    let length = usize::from_str_radix(length, 16).map_err(|_| InvalidPktLine)?;
    match length {
        0 => Ok(Some((PktLine::Flush, rest))),
        1 => Ok(Some((PktLine::Delimiter, rest))),
        2 => Ok(Some((PktLine::ResponseEnd, rest))),
        LENGTH_BYTES..=MAX_BYTES => Ok(rest
            .split_at_checked(length - LENGTH_BYTES)
            .map(|(data, rest)| (PktLine::Data(data), rest))),
        _ => Err(InvalidPktLine),
    }
}

/// Appends a line. Data beyond the longest line is dropped: callers split it.
pub(super) fn write(output: &mut Vec<u8>, line: PktLine<'_>) {
    match line {
        PktLine::Data(data) => {
            let data = data.get(..MAX_BYTES - LENGTH_BYTES).unwrap_or(data);
            output.extend_from_slice(format!("{:04x}", data.len() + LENGTH_BYTES).as_bytes());
            output.extend_from_slice(data);
        }
        PktLine::Flush => output.extend_from_slice(b"0000"),
        PktLine::Delimiter => output.extend_from_slice(b"0001"),
        PktLine::ResponseEnd => output.extend_from_slice(b"0002"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(line: PktLine<'_>) -> Vec<u8> {
        let mut output = Vec::new();
        write(&mut output, line);
        output
    }

    #[test]
    fn lines_are_written_as_git_does() {
        assert_eq!(written(PktLine::Data(b"a\n")), b"0006a\n");
        assert_eq!(written(PktLine::Data(b"")), b"0004");
        assert_eq!(written(PktLine::Flush), b"0000");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "x", "00x", "000g", "0003", "+004", " 004", "fff1", "ffff", "-001", "PACK",
        ] {
            assert_eq!(first(text.as_bytes()), Err(InvalidPktLine), "{text}");
        }
        for text in ["", "0", "000", "0005", "000aabc", "fff0"] {
            assert_eq!(first(text.as_bytes()), Ok(None), "{text}");
        }
        assert_eq!(
            first(b"000Aabcdefg"),
            Ok(Some((PktLine::Data(b"abcdef"), &b"g"[..])))
        );
    }

    proptest! {
        #[test]
        fn a_written_line_is_read_again_and_never_earlier(
            data in proptest::collection::vec(any::<u8>(), 0..300),
            rest in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let line = written(PktLine::Data(&data));
            for end in 0..line.len() {
                prop_assert_eq!(first(&line[..end]), Ok(None));
            }
            let input = [line.as_slice(), &rest].concat();
            prop_assert_eq!(first(&input), Ok(Some((PktLine::Data(&data), rest.as_slice()))));
        }

        #[test]
        fn more_input_changes_no_result(input in proptest::collection::vec(any::<u8>(), 0..40), more in any::<u8>()) {
            let longer = [input.as_slice(), &[more]].concat();
            match first(&input) {
                Ok(Some((line, _))) => prop_assert_eq!(first(&longer).unwrap().unwrap().0, line),
                Err(invalid) => prop_assert_eq!(first(&longer), Err(invalid)),
                Ok(None) => {}
            }
        }
    }
}
