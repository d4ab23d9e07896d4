//! Works on one item: clone, ralph, tests, push, pull request.
