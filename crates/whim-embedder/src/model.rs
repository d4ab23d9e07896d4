//! all-MiniLM-L6-v2.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokenizers::{Tokenizer, TruncationParams};

use crate::embed::Embed;
use crate::files::{CONFIG, TOKENIZER};
use crate::weights;

/// Longer texts are cut. The file says 128; the model was trained with up to 256.
const MAX_TOKENS: usize = 256;

pub(crate) struct Model {
    bert: BertModel,
    tokenizer: Tokenizer,
}

impl Model {
    /// Loads the files below `directory`.
    ///
    /// # Errors
    /// A file is missing or not the pinned one.
    pub(crate) fn load(directory: &Path) -> anyhow::Result<Self> {
        let config: Config =
            serde_json::from_slice(&CONFIG.read(directory)?).context("parsing config.json")?;
        let tokenizer = tokenizer(&TOKENIZER.read(directory)?)?;
        let variables = VarBuilder::from_tensors(weights::load(directory)?, DType::F32, &Device::Cpu);
        let bert = BertModel::load(variables, &config).context("building the model")?;
        Ok(Self { bert, tokenizer })
    }

    /// Each text alone, so that its vector does not depend on its neighbours.
    fn embed_one(&self, text: &str) -> anyhow::Result<Vec<f32>> {
        let encoding = self
            .tokenizer
            .encode(text, true)
            .map_err(|error| anyhow!("tokenising: {error}"))?;
        let ids = Tensor::new(encoding.get_ids(), &Device::Cpu)?.unsqueeze(0)?;
        let types = ids.zeros_like()?;
        // A text alone has no padding, so the mean is over all tokens.
        let tokens = self.bert.forward(&ids, &types, None)?;
        let mean = tokens.mean(1)?.squeeze(0)?;
        let length = mean.sqr()?.sum_all()?.sqrt()?;
        Ok(mean.broadcast_div(&length)?.to_vec1()?)
    }
}

impl Embed for Model {
    fn embed(&self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        texts.iter().map(|text| self.embed_one(text)).collect()
    }
}

fn tokenizer(content: &[u8]) -> anyhow::Result<Tokenizer> {
    let failed = |error: tokenizers::Error| anyhow!("tokenizer.json: {error}");
    let mut tokenizer = Tokenizer::from_bytes(content).map_err(failed)?;
    tokenizer.with_padding(None);
    let truncation = TruncationParams {
        max_length: MAX_TOKENS,
        ..TruncationParams::default()
    };
    tokenizer.with_truncation(Some(truncation)).map_err(failed)?;
    Ok(tokenizer)
}
