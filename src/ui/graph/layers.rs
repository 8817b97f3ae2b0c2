//! The layout of nodes in columns: each node is to the right of its dependencies and close to their height.

use super::{Arrow, Picture};

/// Returns the columns of a picture, each with its nodes from top to bottom.
pub(super) fn columns(picture: &Picture) -> Vec<Vec<usize>> {
    let mut column = vec![0_usize; picture.nodes.len()];
    // Dependencies precede their dependents in the list.
    for to in 0..picture.nodes.len() {
        let before = picture.edges.iter().filter(|it| it.to == to).map(|it| column[it.from] + 1);
        column[to] = before.max().unwrap_or(0);
    }
    // A node moves right until just before its first dependent, which keeps its edges short.
    for from in (0..picture.nodes.len()).rev() {
        let nearest = picture.edges.iter().filter(|it| it.from == from).map(|it| column[it.to] - 1).min();
        column[from] = nearest.unwrap_or(column[from]);
    }
    let mut columns = vec![Vec::new(); column.iter().max().map_or(0, |last| last + 1)];
    for (node, column) in column.iter().enumerate() {
        columns[*column].push(node);
    }
    columns.retain(|column| !column.is_empty());
    // Edges rarely cross if each node is at the mean height of its neighbours. Two passes in each direction are enough
    // for graphs that fit on a screen.
    for _ in 0..2 {
        for at in 1..columns.len() {
            let beside = columns[at - 1].clone();
            arrange(&mut columns[at], &beside, |node, other| waits(picture, node, other));
        }
        for at in (0..columns.len().saturating_sub(1)).rev() {
            let beside = columns[at + 1].clone();
            arrange(&mut columns[at], &beside, |node, other| waits(picture, other, node));
        }
    }
    columns
}

/// Returns the edges to draw. For steps, edges that other edges imply are left out.
pub(super) fn arrows(picture: &Picture) -> Vec<&Arrow> {
    let is_implied = |arrow: &&Arrow| {
        let beside = picture.edges.iter().filter(|it| it.from == arrow.from && it.to != arrow.to);
        picture.steps && beside.into_iter().any(|it| leads(picture, it.to, arrow.to))
    };
    picture.edges.iter().filter(|arrow| !is_implied(arrow)).collect()
}

/// Returns whether a path of edges exists. Edges lead to later nodes only.
fn leads(picture: &Picture, from: usize, to: usize) -> bool {
    from == to || (from < to && picture.edges.iter().filter(|it| it.from == from).any(|it| leads(picture, it.to, to)))
}

fn waits(picture: &Picture, node: usize, on: usize) -> bool {
    picture.edges.iter().any(|it| it.from == on && it.to == node)
}

fn arrange(column: &mut [usize], beside: &[usize], is_near: impl Fn(usize, usize) -> bool) {
    let mean = |node: usize| {
        let near: Vec<usize> = (0..beside.len()).filter(|at| is_near(node, beside[*at])).collect();
        // In thousandths, to stay in integers. Nodes without neighbours go to the bottom.
        if near.is_empty() { usize::MAX } else { near.iter().sum::<usize>() * 1000 / near.len() }
    };
    column.sort_by_key(|node| mean(*node));
}
