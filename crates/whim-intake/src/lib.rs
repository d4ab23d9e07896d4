//! GitHub, both ways: finds labelled issues, writes specs, submits them, reflects outcomes.
