//! What the embedded model and an endpoint have in common.

/// Turns texts into vectors.
pub(crate) trait Embed {
    /// One vector of length 1 per text, in order.
    ///
    /// # Errors
    /// None of the texts was embedded.
    fn embed(&self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>>;
}
