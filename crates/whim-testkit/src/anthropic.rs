//! A stand-in for the Anthropic Messages API whose scripted model drives the real Claude Code CLI.
