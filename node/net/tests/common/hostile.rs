//! A peer that speaks bitswap and gossip without any of our manners.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    PeerId, Stream, SwarmBuilder, gossipsub,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_stream::{Control, IncomingStreams};
use prost::Message as _;
use tokio::sync::mpsc;
use zkaggle_net::{
    Cid, NetEvent, announce,
    bitswap::{
        PROTOCOL,
        message::{Block, Entry, Message, Presence, WantType, Wantlist, decode},
    },
};

use crate::common::{Node, node, soon};

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: libp2p_stream::Behaviour,
    gossip: gossipsub::Behaviour,
}

pub struct Attacker {
    pub id: PeerId,
    victim: PeerId,
    control: Control,
    pub incoming: IncomingStreams,
    gossip: mpsc::Sender<Vec<u8>>,
    /// Streams stay open: dropping one would be an end of stream for the victim.
    open: Vec<Stream>,
    _swarm: tokio::task::AbortHandle,
}

impl Attacker {
    pub async fn connect(victim: &Node) -> Self {
        let key = Keypair::generate_ed25519();
        let id = key.public().to_peer_id();
        let topic = gossipsub::IdentTopic::new(announce::TOPIC);
        let mut swarm = SwarmBuilder::with_existing_identity(key)
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )
            .unwrap()
            .with_behaviour(|key| {
                let config = gossipsub::ConfigBuilder::default().build().unwrap();
                let signed = gossipsub::MessageAuthenticity::Signed(key.clone());
                let mut gossip = gossipsub::Behaviour::new(signed, config).unwrap();
                gossip.subscribe(&topic).unwrap();
                Behaviour {
                    streams: libp2p_stream::Behaviour::new(),
                    gossip,
                }
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
            .build();
        let mut control = swarm.behaviour().streams.new_control();
        let incoming = control.accept(PROTOCOL).unwrap();
        swarm.dial(victim.address().await).unwrap();
        let subscribed = async {
            while !matches!(
                swarm.select_next_some().await,
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. }))
            ) {}
        };
        soon(subscribed).await;
        let (gossip, mut outbox) = mpsc::channel::<Vec<u8>>(1);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = swarm.select_next_some() => {}
                    Some(data) = outbox.recv() => {
                        let _ = swarm.behaviour_mut().gossip.publish(topic.hash(), data);
                    }
                }
            }
        });
        let victim = victim.network.peer_id();
        Self {
            id,
            victim,
            control,
            incoming,
            gossip,
            open: Vec::new(),
            _swarm: task.abort_handle(),
        }
    }

    /// Writes bytes on a new stream; `false` once the victim no longer takes them.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> bool {
        let mut control = self.control.clone();
        let opened = tokio::time::timeout(Duration::from_secs(2), control.open_stream(self.victim, PROTOCOL)).await;
        let Ok(Ok(mut stream)) = opened else { return false };
        let sent = stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok();
        self.open.push(stream);
        sent
    }

    pub async fn send(&mut self, message: &Message) -> bool {
        self.send_raw(&message.encode_length_delimited_to_vec()).await
    }

    pub async fn publish(&mut self, data: Vec<u8>) {
        self.gossip.send(data).await.unwrap();
    }

    /// Reads what the victim sends, one message after the other, over any of its streams.
    pub async fn hear(&mut self, streams: &mut Vec<Stream>) -> Message {
        loop {
            if let Some(stream) = streams.last_mut()
                && let Some(message) = read(stream).await
            {
                return message;
            }
            streams.push(self.incoming.next().await.unwrap().1);
        }
    }
}

async fn read(stream: &mut Stream) -> Option<Message> {
    let (mut length, mut shift, mut byte) = (0usize, 0, [0x80u8]);
    while byte[0] & 0x80 != 0 {
        stream.read_exact(&mut byte).await.ok()?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.ok()?;
    decode(bytes.into()).ok()
}

pub fn wants(cids: impl IntoIterator<Item = Cid>, want_type: WantType) -> Message {
    let entry = |cid: Cid| Entry {
        block: cid.to_bytes(),
        priority: 1,
        cancel: false,
        want_type: want_type as i32,
        send_dont_have: true,
    };
    let entries = cids.into_iter().map(entry).collect();
    Message {
        wantlist: Some(Wantlist { entries, full: false }),
        ..Default::default()
    }
}

pub fn block(data: &[u8]) -> Message {
    let block = Block {
        prefix: vec![1, 0x55, 0x12, 32],
        data: data.to_vec().into(),
    };
    Message {
        payload: vec![block],
        ..Default::default()
    }
}

/// What a message says about each CID it names.
pub fn presences(message: &Message) -> BTreeMap<Vec<u8>, i32> {
    message
        .presences
        .iter()
        .map(|Presence { cid, kind }| (cid.clone(), *kind))
        .collect()
}

impl Node {
    pub async fn bans(&mut self, attacker: PeerId) {
        self.event(|event| (event == NetEvent::PeerBanned(attacker)).then_some(()))
            .await;
        self.event(|event| (event == NetEvent::PeerDisconnected(attacker)).then_some(()))
            .await;
    }

    /// Shows that an attacked node still does its work.
    pub async fn still_works(&self) {
        let friend = node(200).await;
        friend.dial(self).await;
        let bytes = Arc::new(vec![42; 100_000]);
        let cid = self.store.put(&bytes, zkaggle_net::Visibility::Public).unwrap();
        assert_eq!(soon(friend.network.fetch(cid, &[])).await.unwrap(), *bytes);
    }
}
