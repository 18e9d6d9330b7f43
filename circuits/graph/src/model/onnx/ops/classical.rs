//! scikit-learn, XGBoost and LightGBM: scalers, linear models, tree ensembles.

use super::super::attributes::{attribute, floats, int, ints, sizes, text};
use super::super::{Computed, Reader, Refusal, Step, Value};
use super::{Inputs, has};
use crate::float::trees::TreeNode;
use crate::float::{Ending, Op, Tensor, Trees};
use crate::model::proto::Node;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Smallest and largest feature a record may hold.
const FEATURES: std::ops::RangeInclusive<i64> = -32_768..=32_767;
/// Deepest tree that is read.
const MAX_DEPTH: usize = 64;

impl Reader<'_> {
    pub(super) fn classical(&mut self, node: &Node, inputs: &Inputs) -> Result<Vec<Value>, Refusal> {
        let op = node.op_type.as_str();
        let out = match op {
            "Scaler" => self.scaler(node, inputs)?,
            "LinearClassifier" | "LinearRegressor" => self.linear(node, inputs)?,
            "TreeEnsembleClassifier" | "TreeEnsembleRegressor" => self.trees(node, inputs)?,
            "Normalizer" | "ZipMap" => {
                let x = inputs.computed(0)?;
                if x.ended.is_none() {
                    return Err("it is only supported after a classifier".into());
                }
                x
            }
            "Cast" => inputs.computed(0)?,
            other => {
                return Err(format!(
                    "it is not supported; {}",
                    match other {
                        "Imputer" | "LabelEncoder" | "OneHotEncoder" | "CategoryMapper" | "Binarizer"
                        | "FeatureVectorizer" =>
                            "prepare the data before it becomes records and export the model alone",
                        "ArrayFeatureExtractor" => "export the scores alone (skl2onnx: zipmap = False)",
                        _ => super::nearest(other),
                    }
                )
                .into());
            }
        };
        // A classifier's first output is the label: the same scores, answered by argmax.
        Ok(vec![Value::Computed(out.clone()), Value::Computed(out)])
    }

    /// `(x − offset)·scale`, as scikit-learn's scalers are exported; one value or one per feature.
    fn scaler(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let dims = self.dims(&x);
        let width = *dims.last().ok_or("a single number is no row of features")?;
        let list = |name, default: f32| -> Result<Vec<f32>, String> {
            match floats(node, name)? {
                [] => Ok(vec![default; width]),
                &[v] => Ok(vec![v; width]),
                v if v.len() == width => Ok(v.to_vec()),
                v => Err(format!("{} values of {name} for {width} features", v.len())),
            }
        };
        let scale = list("scale", 1.0)?;
        let offset = list("offset", 0.0)?;
        let mut out = x.clone();
        let shifted: Vec<f32> = offset
            .iter()
            .zip(&scale)
            .map(|(&o, &s)| (-f64::from(o) * f64::from(s)) as f32)
            .collect();
        if dims.len() != 1 {
            return Err(format!("on values of shape {dims:?}; one row of features is supported").into());
        }
        out.id = self
            .affine(
                &x,
                Tensor::new(vec![width], scale.clone()),
                Tensor::new(vec![width], shifted),
            )?
            .id;
        out.steps = x.steps.filter(|s| s.first().is_none_or(|s| s.len() < 8)).map(|steps| {
            let mut steps = (*steps).clone();
            for (i, s) in steps.iter_mut().enumerate() {
                s.extend([Step::Add(-offset[i]), Step::Mul(scale[i])]);
            }
            Rc::new(steps)
        });
        Ok(out)
    }

    /// Coefficients, intercepts, and what the scores mean.
    fn linear(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let coefficients = floats(node, "coefficients")?;
        let intercepts = floats(node, "intercepts")?;
        let width = self.dims(&x).iter().product::<usize>();
        let classifier = node.op_type == "LinearClassifier";
        let outputs = if width > 0 { coefficients.len() / width } else { 0 };
        if outputs == 0 || outputs * width != coefficients.len() {
            return Err(format!("{} coefficients for {width} features", coefficients.len()).into());
        }
        if !classifier && int(node, "targets", 1) != outputs as i64 {
            return Err(format!("{outputs} rows of coefficients for {} targets", int(node, "targets", 1)).into());
        }
        let bias = match intercepts {
            [] => vec![0.0; outputs],
            v if v.len() == outputs => v.to_vec(),
            v => return Err(format!("{} intercepts for {outputs} outputs", v.len()).into()),
        };
        self.spend(coefficients.len())?;
        let w = Tensor::new(vec![outputs, width], coefficients.to_vec());
        let mut y = self.rows(&x, w, bias, None)?;
        self.classes(node, &mut y, outputs, classifier)?;
        Ok(y)
    }

    /// Checks a classifier's labels, and that its last function keeps the order of scores.
    fn classes(&mut self, node: &Node, y: &mut Computed, outputs: usize, classifier: bool) -> Result<(), Refusal> {
        let post = text(node, "post_transform", "NONE")?;
        if !classifier {
            if !["NONE", "LOGISTIC"].contains(&post.as_str()) || (post == "LOGISTIC" && outputs != 1) {
                return Err(format!("post_transform {post:?} of a regression; NONE is supported").into());
            }
            y.ending = Some(if post == "NONE" { Ending::Values } else { Ending::Sign });
            return Ok(());
        }
        if !["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"].contains(&post.as_str())
            || (post == "SOFTMAX_ZERO" && outputs > 1)
        {
            return Err(format!("post_transform {post:?}; NONE, LOGISTIC and SOFTMAX keep the order of scores").into());
        }
        let labels = labels(node)?;
        y.ending = Some(match (outputs, labels) {
            (1, 2) => Ending::Sign,
            (n, l) if n == l && n > 1 => Ending::Classes,
            (n, l) => return Err(format!("{n} scores for {l} labels").into()),
        });
        y.ended = Some(node.op_type.clone());
        if has(node, "classlabels_strings") {
            self.notes
                .push("class k is the k-th of the model's text labels: use their places as the records' labels".into());
        }
        Ok(())
    }

    fn trees(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let dims = self.dims(&x);
        let Some(steps) = x.steps.clone().filter(|_| dims.len() == 1) else {
            return Err(
                "trees decide on single features of the record; only scaling and shifting each feature is supported before them"
                    .into(),
            );
        };
        let classifier = node.op_type == "TreeEnsembleClassifier";
        let mut outputs = if classifier {
            labels(node)?
        } else {
            usize::try_from(int(node, "n_targets", 1))
                .ok()
                .filter(|n| (1..=1024).contains(n))
                .ok_or("a number of targets out of range")?
        };
        let prefix = if classifier { "class" } else { "target" };
        let leaf_outputs = list(node, &format!("{prefix}_ids"))?;
        let weights = floats(node, &format!("{prefix}_weights"))?;
        // Two classes, one of which alone has weights: one score.
        let binary = classifier && outputs == 2 && leaf_outputs.iter().all(|o| *o == leaf_outputs[0]);
        if binary {
            outputs = 1;
        }
        let mut base = floats(node, "base_values")?.to_vec();
        if binary && base.len() == 2 {
            base.remove(0);
        }
        if base.is_empty() {
            base = vec![0.0; outputs];
        }
        if base.len() != outputs {
            return Err(format!("{} base values for {outputs} outputs", base.len()).into());
        }
        let keys = keys(node, &format!("{prefix}_treeids"), &format!("{prefix}_nodeids"))?;
        if keys.len() != leaf_outputs.len() || keys.len() != weights.len() {
            return Err("its leaves' trees, nodes, outputs and weights differ in number".into());
        }
        self.spend(keys.len().saturating_mul(outputs))?;
        let mut leaves: BTreeMap<(usize, usize), Vec<f32>> = BTreeMap::new();
        for (i, key) in keys.into_iter().enumerate() {
            let output = if binary { 0 } else { leaf_outputs[i] };
            let values = leaves.entry(key).or_insert_with(|| vec![0.0; outputs]);
            *values
                .get_mut(output)
                .ok_or_else(|| format!("output {output} of {outputs}"))? += weights[i];
        }
        let file = Nodes::read(node)?;
        let mut trees = vec![];
        for (&tree, nodes) in &file.trees {
            let mut builder = Builder {
                nodes,
                leaves: &leaves,
                steps: &steps,
                tree,
                outputs,
                out: vec![],
            };
            builder.node(file.roots[&tree], 0)?;
            self.spend(builder.out.len().saturating_mul(outputs + 4))?;
            trees.push(builder.out);
        }
        match text(node, "aggregate_function", "SUM")?.as_str() {
            "SUM" => {}
            "AVERAGE" => {
                let n = trees.len() as f32;
                let values = trees.iter_mut().flatten().filter_map(|n| match n {
                    TreeNode::Leaf { values } => Some(values),
                    TreeNode::Split { .. } => None,
                });
                values.flatten().for_each(|v| *v /= n);
            }
            other => return Err(format!("aggregate_function {other:?}; SUM and AVERAGE are supported").into()),
        }
        // onnxruntime's rule for one score: probabilities (no negative weight) are cut at a half,
        // other scores at zero.
        if binary && weights.iter().all(|&w| w >= 0.0) && text(node, "post_transform", "NONE")? == "NONE" {
            base[0] -= 0.5;
        }
        let op = Op::Trees(Trees {
            features: dims[0],
            outputs,
            base,
            trees,
        });
        // The steps are in the thresholds: trees read the record itself.
        let mut y: Computed = self.push(op, &[crate::float::ValueId::SAMPLE])?.into();
        self.classes(node, &mut y, outputs, classifier)?;
        Ok(y)
    }
}

/// How many labels a classifier has; integer ones must be 0, 1, 2, …
fn labels(node: &Node) -> Result<usize, String> {
    let numbers = ints(node, "classlabels_int64s")
        .or(ints(node, "classlabels_ints"))
        .unwrap_or(&[]);
    let texts = attribute(node, "classlabels_strings").map_or(0, |a| a.strings.len());
    if numbers.is_empty() && texts == 0 {
        return Err("it names no labels".into());
    }
    if numbers.iter().enumerate().any(|(i, &l)| l != i as i64) {
        return Err(format!(
            "its labels are {:?}…; a record's label is the class's place: train with labels 0, 1, 2, …",
            &numbers[..numbers.len().min(8)]
        ));
    }
    Ok(numbers.len().max(texts))
}

fn list(node: &Node, name: &str) -> Result<Vec<usize>, String> {
    match ints(node, name) {
        Some(v) if !v.is_empty() => sizes(v, name),
        _ => Err(format!("{name} is missing")),
    }
}

/// Tree and node of every entry.
fn keys(node: &Node, trees: &str, nodes: &str) -> Result<Vec<(usize, usize)>, String> {
    let (t, n) = (list(node, trees)?, list(node, nodes)?);
    if t.len() == n.len() {
        Ok(t.into_iter().zip(n).collect())
    } else {
        Err(format!("{trees} and {nodes} differ in number"))
    }
}

/// One node as the file has it.
struct FileNode {
    mode: Vec<u8>,
    feature: usize,
    value: f32,
    yes: usize,
    no: usize,
}

struct Nodes {
    trees: BTreeMap<usize, BTreeMap<usize, FileNode>>,
    /// The first node listed of each tree.
    roots: BTreeMap<usize, usize>,
}

impl Nodes {
    fn read(node: &Node) -> Result<Self, String> {
        let keys = keys(node, "nodes_treeids", "nodes_nodeids")?;
        let features = list(node, "nodes_featureids")?;
        let (yes, no) = (list(node, "nodes_truenodeids")?, list(node, "nodes_falsenodeids")?);
        let values = floats(node, "nodes_values")?;
        let modes = attribute(node, "nodes_modes").map_or(&[][..], |a| a.strings.as_slice());
        let n = keys.len();
        if [features.len(), yes.len(), no.len(), values.len(), modes.len()]
            .iter()
            .any(|&l| l != n)
        {
            return Err(if values.is_empty() {
                "its thresholds are not float32; export with target_opset {\"ai.onnx.ml\": 3}".into()
            } else {
                "its lists of nodes differ in length".into()
            });
        }
        let mut out = Self {
            trees: BTreeMap::new(),
            roots: BTreeMap::new(),
        };
        for (i, (tree, id)) in keys.into_iter().enumerate() {
            out.roots.entry(tree).or_insert(id);
            let entry = FileNode {
                mode: modes[i].clone(),
                feature: features[i],
                value: values[i],
                yes: yes[i],
                no: no[i],
            };
            if out.trees.entry(tree).or_default().insert(id, entry).is_some() {
                return Err(format!("node {id} of tree {tree} is defined twice"));
            }
        }
        Ok(out)
    }
}

/// Turns one tree of the file into splits on integers, parents before children.
struct Builder<'a> {
    nodes: &'a BTreeMap<usize, FileNode>,
    leaves: &'a BTreeMap<(usize, usize), Vec<f32>>,
    steps: &'a [Vec<Step>],
    tree: usize,
    outputs: usize,
    out: Vec<TreeNode>,
}

impl Builder<'_> {
    /// Appends the subtree at `id` and gives its index.
    fn node(&mut self, id: usize, depth: usize) -> Result<usize, String> {
        let at = |text: &str| format!("tree {}, node {id}: {text}", self.tree);
        // Every node of a tree has one parent, so more nodes than the file has is a cycle or a
        // shared child.
        if depth > MAX_DEPTH || self.out.len() > 4 * self.nodes.len() {
            return Err(at(&format!("a cycle, or deeper than {MAX_DEPTH} splits")));
        }
        let node = self.nodes.get(&id).ok_or_else(|| at("it is not there"))?;
        let index = self.out.len();
        if node.mode == b"LEAF" {
            let values = self.leaves.get(&(self.tree, id)).cloned();
            self.out.push(TreeNode::Leaf {
                values: values.unwrap_or_else(|| vec![0.0; self.outputs]),
            });
            return Ok(index);
        }
        let steps = self
            .steps
            .get(node.feature)
            .ok_or_else(|| at(&format!("feature {} of {}", node.feature, self.steps.len())))?;
        let v = node.value;
        let holds = |x: f32| match node.mode.as_slice() {
            b"BRANCH_LEQ" => Some(x <= v),
            b"BRANCH_LT" => Some(x < v),
            b"BRANCH_GTE" => Some(x >= v),
            b"BRANCH_GT" => Some(x > v),
            _ => None,
        };
        if holds(0.0).is_none() {
            let mode = String::from_utf8_lossy(&node.mode).into_owned();
            return Err(at(&format!("mode {mode:?}; BRANCH_LEQ, LT, GTE and GT are supported")));
        }
        let answer = |x: i64| holds(steps.iter().fold(x as f32, |x, s| s.at(x))) == Some(true);
        // Monotone steps: the answer changes once over all features, at most.
        let first = answer(*FEATURES.start());
        let (mut low, mut high) = (*FEATURES.start(), *FEATURES.end() + 1);
        while low + 1 < high {
            let middle = (low + high).div_euclid(2);
            if answer(middle) == first {
                low = middle
            } else {
                high = middle
            }
        }
        let (low_child, high_child) = if first {
            (node.yes, node.no)
        } else {
            (node.no, node.yes)
        };
        self.out.push(TreeNode::Split {
            feature: node.feature,
            threshold: low as i32,
            low: 0,
            high: 0,
        });
        let below = self.node(low_child, depth + 1)?;
        let above = self.node(high_child, depth + 1)?;
        if let TreeNode::Split { low, high, .. } = &mut self.out[index] {
            (*low, *high) = (below, above);
        }
        Ok(index)
    }
}
