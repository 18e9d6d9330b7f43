//! Keras: `.keras` (a zip with config.json and model.weights.h5) and `.h5` become a [`Network`].
//!
//! Keras keeps images channels last. Here they are channels first from the sample on: the network's
//! first node turns the sample round, a flattening turns it back, and the simplifier gives the dense
//! layer after it another order of weights.
//!
//! | module | holds |
//! |---|---|
//! | [`hdf5`] | the part of HDF5 that Keras writes |
//! | [`layers`] | one method per layer |
//! | [`kernel`] | kernels in another order of dimensions |

pub mod hdf5;
mod kernel;
mod layers;
#[cfg(test)]
mod tests;

use self::hdf5::{File, Object};
use self::layers::Builder;
use super::Imported;
use crate::float::{MAX_NODES, Tensor};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// Largest file that is read.
pub const MAX_KERAS_BYTES: usize = 64 << 20;
/// Largest model description.
const MAX_CONFIG: u64 = 8 << 20;

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KerasError {
    #[error("the Keras file has {0} bytes; at most {MAX_KERAS_BYTES} are read")]
    TooLong(usize),
    #[error("this is no Keras file, or it is truncated: {0}")]
    File(String),
    #[error("Keras: {0}")]
    Structure(String),
    #[error("Keras layer {class} ({layer:?}): {reason}")]
    Layer {
        layer: String,
        class: String,
        reason: String,
    },
}

/// Reads a `.keras` or `.h5` file.
///
/// # Errors
/// Names the layer that is not supported and the nearest thing that is, or what is wrong with the
/// file.
pub fn read(bytes: &[u8]) -> Result<Imported, KerasError> {
    if bytes.len() > MAX_KERAS_BYTES {
        return Err(KerasError::TooLong(bytes.len()));
    }
    if !bytes.starts_with(b"PK") {
        let file = File::open(bytes).map_err(KerasError::File)?;
        let config = file
            .attribute(file.root(), "model_config")
            .map_err(KerasError::File)?
            .ok_or_else(|| {
                KerasError::File("it holds weights without a model; save the whole model (model.save)".into())
            })?;
        return build(&json(config.as_bytes())?, &file, Naming::Layers);
    }
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| KerasError::File(e.to_string()))?;
    let config = entry(&mut zip, "config.json", MAX_CONFIG)?;
    let weights = entry(&mut zip, "model.weights.h5", MAX_KERAS_BYTES as u64)?;
    let file = File::open(&weights).map_err(KerasError::File)?;
    build(&json(&config)?, &file, Naming::Classes)
}

/// One member of the zip, no longer than `most` whatever its header says.
fn entry(zip: &mut zip::ZipArchive<Cursor<&[u8]>>, name: &str, most: u64) -> Result<Vec<u8>, KerasError> {
    let bad = |e: String| KerasError::File(format!("{name}: {e}"));
    let member = zip.by_name(name).map_err(|e| bad(e.to_string()))?;
    let mut out = vec![];
    member
        .take(most + 1)
        .read_to_end(&mut out)
        .map_err(|e| bad(e.to_string()))?;
    if out.len() as u64 > most {
        return Err(bad(format!("more than {most} bytes")));
    }
    Ok(out)
}

fn json(bytes: &[u8]) -> Result<Json, KerasError> {
    serde_json::from_slice(bytes).map_err(|e| KerasError::File(format!("the model's description: {e}")))
}

/// How groups of weights are called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// `.h5`: by the layer's name.
    Layers,
    /// `.keras`: by the class, in snake case, counted.
    Classes,
}

/// A layer as the description has it.
struct Layer<'j> {
    class: &'j str,
    name: &'j str,
    config: &'j Json,
    /// Names of the layers it reads; none in a Sequential, where it reads the one before.
    inputs: Option<Vec<&'j str>>,
}

fn build(model: &Json, file: &File<'_>, naming: Naming) -> Result<Imported, KerasError> {
    let structure = |text: &str| KerasError::Structure(text.into());
    let class = model["class_name"].as_str().unwrap_or("");
    let sequential = class == "Sequential";
    if !sequential && !matches!(class, "Functional" | "Model") {
        return Err(KerasError::Structure(format!(
            "a model of class {class:?}; Sequential and Functional models are read, subclassed ones are Python code"
        )));
    }
    let config = &model["config"];
    // Keras 2 kept the list of a Sequential without a name around it.
    let list = config["layers"].as_array().or(config.as_array());
    let list = list.ok_or_else(|| structure("the description has no layers"))?;
    if list.len() > MAX_NODES {
        return Err(structure("the model has more layers than any supported network"));
    }
    let layers = list
        .iter()
        .map(|l| layer(l, sequential))
        .collect::<Result<Vec<_>, _>>()?;
    let mut weights = Weights {
        file,
        naming,
        counts: BTreeMap::new(),
    };
    let mut builder = Builder::default();
    for l in &layers {
        let at = |reason: String| KerasError::Layer {
            layer: l.name.to_owned(),
            class: l.class.to_owned(),
            reason,
        };
        let group = weights.group(l);
        let read = || weights.read(l, &group);
        builder.layer(l, &read).map_err(at)?;
    }
    let output = match config["output_layers"].as_array() {
        None => None,
        // One output as [name, 0, 0], several as a list of those.
        Some(o) => match (o.first().and_then(Json::as_str), o.as_slice()) {
            (Some(name), _) => Some(name),
            (None, [one]) => one[0].as_str(),
            _ => return Err(structure("the model has several outputs; one is supported")),
        },
    };
    builder.finish(output).map_err(KerasError::Structure)
}

fn layer(json: &Json, sequential: bool) -> Result<Layer<'_>, KerasError> {
    let config = &json["config"];
    let name = config["name"].as_str().or(json["name"].as_str());
    let (Some(class), Some(name)) = (json["class_name"].as_str(), name) else {
        return Err(KerasError::Structure("a layer without class or name".into()));
    };
    let mut inputs = vec![];
    let nodes = json["inbound_nodes"].as_array();
    if let Some([_, _, ..]) = nodes.map(Vec::as_slice) {
        return Err(KerasError::Layer {
            layer: name.into(),
            class: class.into(),
            reason: "it is used twice; shared layers are not supported, two layers with the same weights are".into(),
        });
    }
    if let Some(node) = nodes.and_then(|n| n.first()) {
        sources(node, &mut inputs, 16);
    }
    Ok(Layer {
        class,
        name,
        config,
        inputs: (!sequential).then_some(inputs),
    })
}

/// Names of the layers an inbound node reads: Keras 3 has `keras_history`, Keras 2 `[name, 0, 0, {}]`.
fn sources<'j>(json: &'j Json, out: &mut Vec<&'j str>, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match json {
        Json::Array(a) => match a.as_slice() {
            [Json::String(name), Json::Number(_), Json::Number(_), ..] => out.push(name),
            _ => a.iter().for_each(|j| sources(j, out, depth)),
        },
        Json::Object(o) => match o.get("keras_history").and_then(|h| h[0].as_str()) {
            Some(name) => out.push(name),
            None => o.values().for_each(|j| sources(j, out, depth)),
        },
        _ => {}
    }
}

/// Finds each layer's arrays.
struct Weights<'a> {
    file: &'a File<'a>,
    naming: Naming,
    /// How often a class has occurred.
    counts: BTreeMap<String, usize>,
}

/// Order of a layer's arrays, as its class lists them.
const ORDER: [&str; 8] = [
    "depthwise_kernel",
    "pointwise_kernel",
    "kernel",
    "gamma",
    "beta",
    "bias",
    "moving_mean",
    "moving_variance",
];

impl Weights<'_> {
    /// Name of the layer's group.
    fn group(&mut self, layer: &Layer<'_>) -> String {
        if self.naming == Naming::Layers {
            return layer.name.to_owned();
        }
        let class = snake_case(layer.class);
        let count = self.counts.entry(class.clone()).or_insert(0);
        *count += 1;
        match *count {
            1 => class,
            n => format!("{class}_{}", n - 1),
        }
    }

    fn read(&self, layer: &Layer<'_>, group: &str) -> Result<Vec<Tensor>, String> {
        let in_group = |e: String| format!("its weights ({group:?}): {e}");
        let mut found = BTreeMap::new();
        if self.naming == Naming::Classes {
            let object = self.file.at(&["layers", group, "vars"]).map_err(in_group)?;
            for (name, object) in self.file.members(object).map_err(in_group)?.unwrap_or_default() {
                let place: usize = name
                    .parse()
                    .map_err(|_| in_group(format!("an array called {name:?}")))?;
                found.insert(place, object);
            }
        } else {
            let object = self.file.at(&["model_weights", layer.name]).map_err(in_group)?;
            self.leaves(object, 8, &mut found).map_err(in_group)?;
        }
        found
            .into_values()
            .map(|o| self.file.tensor(o).map_err(in_group))
            .collect()
    }

    /// Arrays below a group, by their place in [`ORDER`].
    fn leaves(&self, group: Object, depth: usize, out: &mut BTreeMap<usize, Object>) -> Result<(), String> {
        let depth = depth.checked_sub(1).ok_or("groups nested too deep")?;
        for (name, object) in self.file.members(group)?.unwrap_or_default() {
            if self.file.members(object)?.is_some() {
                self.leaves(object, depth, out)?;
                continue;
            }
            let plain = name.split(':').next().unwrap_or(&name);
            let place = ORDER.iter().position(|o| *o == plain);
            let place = place.ok_or_else(|| format!("an array called {name:?}"))?;
            if out.insert(place, object).is_some() {
                return Err(format!("two arrays called {plain:?}"));
            }
        }
        Ok(())
    }
}

/// A class's name as Keras names its group: `Conv2D` is `conv2d`, `BatchNormalization`
/// `batch_normalization`.
fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().take(100).collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|k| chars[k]);
        let after = chars.get(i + 1);
        let word = before.is_some_and(|b| b.is_ascii_lowercase()) || after.is_some_and(char::is_ascii_lowercase);
        if i > 0 && c.is_ascii_uppercase() && word {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
