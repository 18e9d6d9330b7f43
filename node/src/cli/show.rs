//! A bounty and an entry as people and machines read them.

use crate::chain::market::Market;
use crate::chain::outbox::show;
use crate::chain::states::{EntryState, Mode, Phase};
use crate::failure::Failure;
use alloy::primitives::{Address, B256, U256};
use anyhow::Result;
use serde::Serialize;
use zkaggle_config::units::Seconds;

/// A time on chain with what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    pub what: &'static str,
    /// Unix seconds.
    pub at: u64,
}

impl Deadline {
    fn text(&self, now: u64) -> String {
        match self.at.checked_sub(now) {
            Some(left) => format!("{} in {}", self.what, Seconds(left)),
            None => format!("{} was {} ago", self.what, Seconds(now - self.at)),
        }
    }
}

/// One line of `bounty list`.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub id: u64,
    pub phase: String,
    pub mode: String,
    pub owner: Address,
    pub prizes: Vec<String>,
    pub stake: String,
    pub samples: u32,
    pub threshold: u32,
    pub entrants: u32,
    pub next: Option<Deadline>,
    now: u64,
}

impl Line {
    pub async fn read(market: &Market, id: u64) -> Result<Self> {
        known(market, id).await?;
        let b = market.bounty(id).await?;
        let phase = market.phase(id).await?;
        Ok(Self {
            id,
            phase: format!("{phase:?}"),
            mode: format!("{:?}", Mode::read(b.mode)?),
            owner: b.owner,
            prizes: market.prizes(id).await?.iter().map(ToString::to_string).collect(),
            stake: b.stake.to_string(),
            samples: b.samples,
            threshold: b.threshold,
            entrants: b.entrants,
            next: next(market, id, phase).await?,
            now: market.chain().now().await?,
        })
    }

    pub fn head() -> String {
        format!(
            "{:>4}  {:<9} {:<6} {:>14} {:>9} {:>8}  {}",
            "id", "phase", "mode", "first prize", "threshold", "entrants", "next"
        )
    }

    pub fn text(&self) -> String {
        format!(
            "{:>4}  {:<9} {:<6} {:>14} {:>9} {:>8}  {}",
            self.id,
            self.phase,
            self.mode,
            self.prizes.first().map(|p| amount(p)).unwrap_or_default(),
            format!("{}/{}", self.threshold, self.samples),
            self.entrants,
            self.next.as_ref().map(|d| d.text(self.now)).unwrap_or_default()
        )
    }
}

/// Wei as text, for people.
fn amount(wei: &str) -> String {
    wei.parse::<U256>().map(|w| show(w).to_string()).unwrap_or_default()
}

/// One row of the board.
#[derive(Clone, Debug, Serialize)]
pub struct BoardRow {
    pub hunter: Address,
    pub slot: u8,
    pub score: u32,
    pub state: String,
    /// Index of the prize; none for a reserve.
    pub prize: Option<u8>,
}

/// Everything `bounty show` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Bounty {
    #[serde(flatten)]
    pub line: Line,
    pub settled: String,
    pub schema_id: B256,
    pub bond: String,
    pub held: String,
    pub shards: Vec<Shard>,
    pub score_keys: Vec<String>,
    pub board: Vec<BoardRow>,
    pub claims: usize,
}

/// A shard as it is published.
#[derive(Clone, Debug, Serialize)]
pub struct Shard {
    pub bytes: u32,
    /// The block's CID; none before the reveal.
    pub cid: Option<String>,
}

impl Bounty {
    pub async fn read(market: &Market, id: u64) -> Result<Self> {
        let line = Line::read(market, id).await?;
        let b = market.bounty(id).await?;
        let mut board = vec![];
        for r in market.board(id).await? {
            board.push(BoardRow {
                hunter: r.hunter,
                slot: r.slot,
                score: r.score,
                state: format!("{:?}", EntryState::read(r.state)?),
                prize: (r.prize != u8::MAX).then_some(r.prize),
            });
        }
        let shards = market.shards(id).await?.into_iter().map(|(bytes, digest)| Shard {
            bytes,
            cid: (digest != [0; 32]).then(|| zkaggle_graph::dataset::cid::cid_of_digest(&digest).to_string()),
        });
        Ok(Self {
            line,
            settled: format!("{:?}", Phase::read(b.settled)?),
            schema_id: b.schemaId,
            bond: b.bond.to_string(),
            held: b.held.to_string(),
            shards: shards.collect(),
            score_keys: market.score_keys(id).await?.iter().map(ToString::to_string).collect(),
            board,
            claims: market.claims(id).await?.len(),
        })
    }

    pub fn text(&self) -> String {
        let l = &self.line;
        let mut out = vec![
            format!("bounty {} ({}) is in {}", l.id, l.mode, l.phase),
            format!("owner     {}", l.owner),
            format!(
                "prizes    {}",
                l.prizes.iter().map(|p| amount(p)).collect::<Vec<_>>().join(", ")
            ),
            format!("bond      {}, stake {}", amount(&self.bond), amount(&l.stake)),
            format!("threshold {} of {} samples", l.threshold, l.samples),
            format!("entrants  {}", l.entrants),
        ];
        if let Some(d) = &l.next {
            out.push(format!("next      {}", d.text(l.now)));
        }
        for k in &self.score_keys {
            out.push(format!("key       {k}"));
        }
        for (j, s) in self.shards.iter().enumerate() {
            let cid = s.cid.as_deref().unwrap_or("not revealed");
            out.push(format!("shard {j:<3} {} bytes, {cid}", s.bytes));
        }
        for (i, r) in self.board.iter().enumerate() {
            let prize = r.prize.map_or("reserve".to_owned(), |p| format!("prize {}", p + 1));
            out.push(format!(
                "rank {:<4} {} slot {}: {} correct, {prize}, {}",
                i + 1,
                r.hunter,
                r.slot,
                r.score,
                r.state
            ));
        }
        if self.claims > 0 {
            out.push(format!("claims    {}", self.claims));
        }
        out.join("\n")
    }
}

/// One entry of a hunter.
#[derive(Clone, Debug, Serialize)]
pub struct EntryLine {
    pub bounty: u64,
    pub slot: u8,
    pub phase: String,
    pub state: String,
    pub score: u32,
    /// Place on the board, from 1.
    pub rank: Option<usize>,
    pub prize: Option<u8>,
    pub vk_id: B256,
    /// Whether the stake can be taken back now.
    pub refundable: bool,
    pub next: Option<Deadline>,
    now: u64,
}

impl EntryLine {
    /// Both slots of a hunter, as far as they are used.
    pub async fn read(market: &Market, id: u64, hunter: Address) -> Result<Vec<Self>> {
        known(market, id).await?;
        let mut out = vec![];
        for slot in 0..2 {
            let Some(e) = market.entry(id, hunter, slot).await? else {
                continue;
            };
            let phase = market.phase(id).await?;
            let board = market.board(id).await?;
            let place = board.iter().position(|r| r.hunter == hunter && r.slot == slot);
            let settled = Phase::read(market.bounty(id).await?.settled)? != Phase::None;
            let state = EntryState::read(e.state)?;
            out.push(Self {
                bounty: id,
                slot,
                phase: format!("{phase:?}"),
                state: format!("{state:?}"),
                score: e.score,
                rank: place.map(|p| p + 1),
                prize: place
                    .and_then(|p| board.get(p))
                    .map(|r| r.prize)
                    .filter(|p| *p != u8::MAX),
                vk_id: e.vkId,
                refundable: settled && state == EntryState::Committed,
                next: next(market, id, phase).await?,
                now: market.chain().now().await?,
            });
        }
        Ok(out)
    }

    pub fn text(&self) -> String {
        let rank = match (self.rank, self.prize) {
            (Some(r), Some(p)) => format!(", rank {r}, prize {}", p + 1),
            (Some(r), None) => format!(", rank {r}, reserve"),
            _ => String::new(),
        };
        let next = self.next.as_ref().map(|d| format!("; {}", d.text(self.now)));
        format!(
            "bounty {} slot {} ({}): {}, score {}{rank}{}",
            self.bounty,
            self.slot,
            self.phase,
            self.state,
            self.score,
            next.unwrap_or_default()
        )
    }
}

/// A bounty that is not there is its own exit code.
async fn known(market: &Market, id: u64) -> Result<()> {
    let count = market.count().await?;
    match id == 0 || id > count {
        true => Err(Failure::not_found(format!(
            "there is no bounty {id}; the market has {count}"
        ))),
        false => Ok(()),
    }
}

/// What ends the present phase.
async fn next(market: &Market, id: u64, phase: Phase) -> Result<Option<Deadline>> {
    let b = market.bounty(id).await?;
    let commit_end = b.windows.commitEnd.to::<u64>();
    let at = |what, at| Some(Deadline { what, at });
    let now = market.chain().now().await?;
    Ok(match phase {
        Phase::Commit => at("Commit ends", commit_end),
        Phase::Reveal => {
            let start = commit_end + u64::from(b.windows.gap);
            if now < start {
                at("Reveal opens", start)
            } else {
                at("Reveal ends", start + u64::from(b.windows.reveal))
            }
        }
        Phase::Attest => at("Attest ends", b.revealedAt.to::<u64>() + u64::from(b.windows.attest)),
        Phase::Prove => market.prove_end(id).await?.and_then(|end| at("Prove ends", end)),
        Phase::Claim => market.round(id).await?.and_then(|(start, end)| {
            if now < start {
                at("claims open", start)
            } else {
                at("claims end", end)
            }
        }),
        _ => None,
    })
}
