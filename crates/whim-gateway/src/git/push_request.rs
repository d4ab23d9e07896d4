//! The beginning of a push: the commands, before the pack
//! (<https://git-scm.com/docs/pack-protocol#_reference_update_request_and_packfile_transfer>).

use whim_core::CommitHash;

use super::pkt_line::{self, PktLine};

/// Commands and capabilities of an honest push have some hundred bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

const ZERO: &str = "0000000000000000000000000000000000000000";

/// Capabilities that are passed on. Others change nothing that the gateway relies on, or are refused by name.
const KEPT: [&str; 5] = [
    "report-status",
    "report-status-v2",
    "side-band-64k",
    "quiet",
    "object-format=sha1",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PushRequest {
    pub(super) commands: Vec<Command>,
    capabilities: Vec<String>,
}

/// Moves a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// `None` creates the ref.
    pub(super) old: Option<CommitHash>,
    /// `None` deletes it.
    pub(super) new: Option<CommitHash>,
    pub(super) reference: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidPush(&'static str);

impl PushRequest {
    /// The request at the beginning of `input`, and its length. `None` if it is not complete yet.
    ///
    /// # Errors
    /// This is no push, or one of a kind that is not supported.
    pub(super) fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, InvalidPush> {
        let mut request = Self {
            commands: Vec::new(),
            capabilities: Vec::new(),
        };
        let mut rest = input;
        loop {
            let line = pkt_line::first(rest).map_err(|_| InvalidPush("expected pkt-lines"))?;
            let Some((line, after)) = line else {
                return if input.len() >= MAX_BYTES {
                    Err(InvalidPush("too many commands"))
                } else {
                    Ok(None)
                };
            };
            rest = after;
            match line {
                PktLine::Data(line) => request.add(line)?,
                PktLine::Flush => return Ok(Some((request, input.len() - rest.len()))),
                PktLine::Delimiter | PktLine::ResponseEnd => {
                    return Err(InvalidPush("expected a command"));
                }
            }
        }
    }

    fn add(&mut self, line: &[u8]) -> Result<(), InvalidPush> {
        if line.starts_with(b"shallow ") {
            return Err(InvalidPush("a push from a shallow clone is not supported"));
        }
        if line.starts_with(b"push-cert") {
            return Err(InvalidPush("a signed push is not supported"));
        }
        let (command, capabilities) = match line.iter().position(|byte| *byte == 0) {
            Some(end) if self.commands.is_empty() => (&line[..end], line.get(end + 1..)),
            Some(_) => return Err(InvalidPush("capabilities follow the first command only")),
            None => (line, None),
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| InvalidPush("expected UTF-8"));
        self.commands.push(Command::parse(text(command)?)?);
        if let Some(capabilities) = capabilities {
            let words = text(capabilities)?.split_ascii_whitespace();
            self.capabilities = words.map(str::to_owned).collect();
        }
        Ok(())
    }

    pub(super) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|own| own == capability)
    }

    /// Whether the client reads which refs were refused, and why.
    pub(super) fn reads_report(&self) -> bool {
        self.has("report-status") || self.has("report-status-v2")
    }

    /// A format of objects other than SHA-1.
    pub(super) fn other_object_format(&self) -> Option<&str> {
        self.capabilities
            .iter()
            .filter_map(|capability| capability.strip_prefix("object-format="))
            .find(|format| *format != "sha1")
    }

    /// The same request, written by the gateway.
    pub(super) fn write(&self) -> Vec<u8> {
        let kept = self
            .capabilities
            .iter()
            .filter(|own| KEPT.contains(&own.as_str()));
        let kept: Vec<&str> = kept.map(String::as_str).collect();
        let mut output = Vec::new();
        for (index, command) in self.commands.iter().enumerate() {
            let hash = |hash: &Option<CommitHash>| hash.as_ref().map_or(ZERO, CommitHash::as_str).to_owned();
            let mut line = format!(
                "{} {} {}",
                hash(&command.old),
                hash(&command.new),
                command.reference
            );
            if index == 0 {
                line = format!("{line}\0 {} agent=whim-gateway", kept.join(" "));
            }
            pkt_line::write(&mut output, PktLine::Data(line.as_bytes()));
        }
        pkt_line::write(&mut output, PktLine::Flush);
        output
    }
}

impl Command {
    fn parse(text: &str) -> Result<Self, InvalidPush> {
        const FORM: InvalidPush = InvalidPush("expected `old new ref`");
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut parts = text.splitn(3, ' ');
        let mut hash = || {
            let text = parts.next().ok_or(FORM)?;
            if text == ZERO {
                return Ok(None);
            }
            let hash = CommitHash::parse(text).map_err(|_| FORM)?;
            if text.len() == ZERO.len() {
                Ok(Some(hash))
            } else {
                Err(FORM)
            }
        };
        let (old, new) = (hash()?, hash()?);
        let reference = parts.next().ok_or(FORM)?;
        let is_plain = !reference.is_empty() && !reference.chars().any(|c| c.is_control() || c == ' ');
        if !is_plain {
            return Err(FORM);
        }
        Ok(Self {
            old,
            new,
            reference: reference.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Vec<u8> {
        let mut output = Vec::new();
        pkt_line::write(&mut output, PktLine::Data(text.as_bytes()));
        output
    }

    fn hash(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    fn example() -> Vec<u8> {
        let first = format!(
            "{ZERO} {} refs/heads/whim/1\0 report-status-v2 side-band-64k quiet object-format=sha1 agent=git/2",
            hash('a')
        );
        [line(&first), b"0000".to_vec()].concat()
    }

    #[test]
    fn a_push_of_git_is_read_and_written_again() {
        let input = [example(), b"PACK...".to_vec()].concat();
        let (request, length) = PushRequest::parse(&input).unwrap().unwrap();
        assert_eq!(&input[length..], b"PACK...");
        assert_eq!(
            request.commands,
            [Command {
                old: None,
                new: Some(CommitHash::parse(&hash('a')).unwrap()),
                reference: "refs/heads/whim/1".to_owned(),
            }]
        );
        assert!(request.has("side-band-64k") && request.reads_report());
        let written = request.write();
        let (again, _) = PushRequest::parse(&written).unwrap().unwrap();
        assert_eq!(again.commands, request.commands);
        assert!(again.has("report-status-v2") && !String::from_utf8(written).unwrap().contains("git/2"));
    }

    // git sends it before a large push, to find out whether it has to authenticate.
    #[test]
    fn a_push_without_commands_is_a_probe() {
        let (request, length) = PushRequest::parse(b"0000").unwrap().unwrap();
        assert!(request.commands.is_empty() && length == 4);
    }

    #[test]
    fn what_is_no_plain_push_is_refused() {
        let command = |text: &str| [line(text), b"0000".to_vec()].concat();
        let ok = format!("{ZERO} {} refs/heads/x", hash('a'));
        for input in [
            command(&format!("shallow {}", hash('a'))),
            command("push-cert\0report-status"),
            command(&format!("{} {} refs/heads/x", hash('A'), hash('a'))),
            command(&format!("{} {} refs/heads/x", "a".repeat(64), "b".repeat(64))),
            command(&format!("{ZERO}  {} refs/heads/x", hash('a'))),
            command(&format!("{ZERO} {}", hash('a'))),
            command(&format!("{ZERO} {} ", hash('a'))),
            command(&format!("{ok}\nrefs/heads/y")),
            command(&format!("{ok} refs/heads/y")),
            command(&format!("{ok}\r")),
            [line(&ok), line(&format!("{ok}\0atomic")), b"0000".to_vec()].concat(),
            [line(&ok), b"0001".to_vec()].concat(),
            b"PACK".to_vec(),
            vec![b'0'; 3].into_iter().chain(*b"3").collect(),
        ] {
            assert!(
                PushRequest::parse(&input).is_err(),
                "{}",
                String::from_utf8_lossy(&input)
            );
        }
        let endless: Vec<u8> = std::iter::repeat_with(|| line(&ok))
            .take(1000)
            .flatten()
            .collect();
        assert!(PushRequest::parse(&endless).is_err());
    }

    proptest! {
        #[test]
        fn the_commands_may_arrive_in_any_pieces(end in 0..200usize) {
            let input = example();
            let end = end.min(input.len() - 1);
            prop_assert_eq!(PushRequest::parse(&input[..end]), Ok(None));
        }

        #[test]
        fn any_bytes_are_survived(input in proptest::collection::vec(any::<u8>(), 0..500)) {
            if let Ok(Some((request, length))) = PushRequest::parse(&input) {
                prop_assert!(length <= input.len());
                let written = request.write();
                let (again, _) = PushRequest::parse(&written).unwrap().unwrap();
                prop_assert_eq!(again.commands, request.commands);
            }
        }
    }
}
