//! The command line itself.

use crate::world::{TWO_TASKS, World, assert_transcript};

#[test]
fn help_lists_commands_and_options() {
    let world = World::new(TWO_TASKS);
    assert_transcript!(world.transcript(&mut world.ralph(&["--help"])), @r"
    Does the tasks of a checklist: one fresh coding agent per iteration, until every box of SPEC.md is ticked

    Usage: ralph <COMMAND>

    Commands:
      run       Do the open tasks of SPEC.md, one by one
      spec      Write a SPEC.md from a description
      review    Compare a change with its SPEC.md
      validate  Check a SPEC.md against the conventions
      init      Write a template of SPEC.md

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes: 0 complete, 1 stuck, 2 iterations used up, 3 error
    --- exit code 0
    ");
    assert_transcript!(world.transcript(&mut world.ralph(&["run", "--help"])), @r"
    Do the open tasks of SPEC.md, one by one

    Usage: ralph run [OPTIONS] [-- <COMMAND>...]

    Arguments:
      [COMMAND]...  Program and arguments of the harness `command`, which reads the prompt from standard input

    Options:
          --all                   Run until every task is done or the agent is stuck, without a limit on iterations
      -n <N>                      Maximum number of iterations [default: 50]
          --spec <PATH>           Path of the checklist [default: SPEC.md if it exists, otherwise .ai/SPEC.md]
          --run-dir <DIR>         Directory of the other files of the run, below the current directory [default: .ai]
          --keep-commit <HASH>    Commit that the agent must keep together with its ancestors; it may replace later ones [default: the head at the start]
          --stuck-threshold <N>   Number of iterations in a row without a ticked box or a commit after which the run is stuck [default: 3]
          --pre-edit-hook <WORD>  Program to run before each edit of the agent; exit code 2 refuses the edit. Repeat the option for each argument of the program
          --pre-edit-limit <SEC>  Timeout of the hook, after which the edit proceeds [default: 60]
          --mcp-config <FILE>     File with the MCP servers of the agent, in the format of Claude Code; there are no others
          --instructions <FILE>   File with the repository's instructions for agents, which each prompt contains
          --headless              Print one JSON object per line, and exit when the parent process dies
          --harness <NAME>        The agent to start: claude, or command for any program [default: claude]
          --model <NAME>          The model [default: that of the harness]
          --claude-bin <PATH>     The program of the harness `claude` [default: claude]
          --max-budget-usd <USD>  What one agent may cost in US dollars; only with the harness `claude`
          --pass-env <NAME>       Environment variable to pass to the agent in addition; may be repeated
          --timeout-idle <SEC>    Terminate an agent that prints nothing for this time; must be longer than its longest tool call [default: 900]
      -h, --help                  Print help
    --- exit code 0
    ");
}

#[test]
fn wrong_usage_is_an_error_and_no_other_exit_code() {
    let world = World::new(TWO_TASKS);
    let transcripts: String = [
        &["run", "--harness", "codex"][..],
        &["run", "--harness", "opencode"],
        &["run", "--harness", "other"],
        &["run", "--all", "-n", "3"],
        &["run", "-n", "0"],
        &["run", "--timeout-idle", "0"],
        &["run", "--timeout-idle", "soon"],
        &["run", "--keep-commit", "HEAD"],
        &[],
    ]
    .map(|arguments| world.transcript(&mut world.ralph(arguments)))
    .concat();
    assert_transcript!(transcripts, @r"
    --- stderr
    error: invalid value 'codex' for '--harness <NAME>': the harness codex is not part of this build; available: claude, command

    For more information, try '--help'.
    --- exit code 3
    --- stderr
    error: invalid value 'opencode' for '--harness <NAME>': the harness opencode is not part of this build; available: claude, command

    For more information, try '--help'.
    --- exit code 3
    --- stderr
    error: invalid value 'other' for '--harness <NAME>': unknown harness; available: claude, command

    For more information, try '--help'.
    --- exit code 3
    --- stderr
    error: the argument '--all' cannot be used with '-n <N>'

    Usage: ralph run --all [-- <COMMAND>...]

    For more information, try '--help'.
    --- exit code 3
    --- stderr
    error: invalid value '0' for '-n <N>': expected a whole number from 1 to 4294967295

    For more information, try '--help'.
    --- exit code 3
    --- stderr
    error: invalid value '0' for '--timeout-idle <SEC>': expected more than 0 seconds

    For more information, try '--help'.
    --- exit code 3
    --- stderr
    error: invalid value 'soon' for '--timeout-idle <SEC>': expected a number of seconds, such as 30 or 0.5

    For more information, try '--help'.
    --- exit code 3
    --- stderr
    error: invalid value 'HEAD' for '--keep-commit <HASH>': expected the full hash of a commit, 40 or 64 hexadecimal digits

    For more information, try '--help'.
    --- exit code 3
    --- stderr
    Does the tasks of a checklist: one fresh coding agent per iteration, until every box of SPEC.md is ticked

    Usage: ralph <COMMAND>

    Commands:
      run       Do the open tasks of SPEC.md, one by one
      spec      Write a SPEC.md from a description
      review    Compare a change with its SPEC.md
      validate  Check a SPEC.md against the conventions
      init      Write a template of SPEC.md

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes: 0 complete, 1 stuck, 2 iterations used up, 3 error
    --- exit code 3
    ");
}

#[test]
fn a_command_is_accepted_with_its_harness_only() {
    let world = World::new(TWO_TASKS);
    let transcripts: String = [
        &["run", "--headless", "--harness", "command"][..],
        &["run", "--headless", "--", "program"],
        &["spec", "--headless", "--harness", "command", "text"],
    ]
    .map(|arguments| world.transcript(&mut world.ralph(arguments)))
    .concat();
    assert_transcript!(transcripts, @r#"
    {"event":"failed","error":"`--harness command` requires the command after `--`"}
    --- exit code 3
    {"event":"failed","error":"a command after `--` requires `--harness command`"}
    --- exit code 3
    {"event":"spec_generation_failed","error":"`--harness command` requires the command after `--`"}
    --- exit code 3
    "#);
}

#[test]
fn a_pre_edit_hook_is_refused_with_a_harness_that_would_not_run_it() {
    let world = World::new(TWO_TASKS);
    let mut command = world.ralph(&[
        "run",
        "--headless",
        "--harness",
        "command",
        "--pre-edit-hook",
        "true",
        "--",
        "true",
    ]);
    assert_transcript!(world.transcript(&mut command), @r#"
    {"event":"failed","error":"`--pre-edit-hook` requires `--harness claude`: no other harness supports it"}
    --- exit code 3
    "#);
}

#[test]
fn the_documented_command_lines_have_only_options_that_exist() {
    let world = World::new(TWO_TASKS);
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../SPEC-ralph.md"));
    let lines: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("ralph "))
        .collect();
    assert_eq!(lines.len(), 3);
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let help = world.transcript(&mut world.ralph(&[words[1], "--help"]));
        for option in words
            .iter()
            .filter(|word| word.len() > 1 && word.starts_with('-'))
        {
            let is_listed = help.split([' ', ',', '\n']).any(|word| word == *option);
            assert!(is_listed, "{option} is not in the help of `ralph {}`", words[1]);
        }
    }
}
