//! `kubectl get` without kubectl: the API server makes the same table for whoever asks.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use image_update_testkit::stack::Assets;
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::stage::NAMESPACE;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    column_definitions: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    priority: i32,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
}

/// What `kubectl get` prints of all objects of a kind: by kubectl if there is one.
pub(crate) async fn get(kube: &Client, kubeconfig: &Path, plural: &str) -> anyhow::Result<String> {
    let Some(kubectl) = Assets::locate()?.kubectl() else {
        return ask(kube, plural).await;
    };
    let output = tokio::process::Command::new(kubectl)
        .args(["--namespace", NAMESPACE, "get", plural])
        .env("KUBECONFIG", kubeconfig)
        .output()
        .await
        .context("run kubectl")?;
    anyhow::ensure!(
        output.status.success(),
        "kubectl failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).context("read what kubectl says")
}

async fn ask(kube: &Client, plural: &str) -> anyhow::Result<String> {
    let request = http::Request::get(format!(
        "/apis/image-update.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}"
    ))
    .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
    .body(Vec::new())
    .context("build the request")?;
    let table: Table = kube.request(request).await.context("ask for the table")?;
    Ok(render(&table))
}

fn render(table: &Table) -> String {
    let shown: Vec<usize> = (0..table.column_definitions.len())
        .filter(|&index| table.column_definitions[index].priority == 0)
        .collect();
    let header = |index: &usize| table.column_definitions[*index].name.to_uppercase();
    let cell = |row: &Row, index: usize| match row.cells.get(index) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let mut lines = vec![shown.iter().map(header).collect::<Vec<_>>()];
    for row in &table.rows {
        lines.push(shown.iter().map(|&index| cell(row, index)).collect());
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths: Vec<usize> = (0..shown.len()).filter_map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to a String does not fail.
            write!(text, "{cell:width$}   ").ok();
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
