//! Flags that say where records stand in a file or shard.

use clap::Args;
use zkaggle_import::Layout;

#[derive(Debug, Args)]
pub struct LayoutArgs {
    /// Record files and blocks: bytes before the first record.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub offset: u64,
    /// Record files and blocks: bytes from one record to the next; as far as features and label reach by default.
    #[arg(long, value_name = "BYTES")]
    pub stride: Option<u64>,
    /// Record files and blocks: where the features begin in a record.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub features_at: u64,
    /// Record files and blocks: where the label's byte stands in a record; after the features by default.
    #[arg(long, value_name = "BYTES")]
    pub label_at: Option<u64>,
}

impl From<&LayoutArgs> for Layout {
    fn from(a: &LayoutArgs) -> Self {
        Self {
            offset: a.offset,
            stride: a.stride,
            features_at: a.features_at,
            label_at: a.label_at,
        }
    }
}
