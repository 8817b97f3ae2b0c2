//! Where nodes stand: in columns, each right of all that it waits for, and near the height of it.

use super::{Arrow, Picture};

/// The columns of a picture, each with its nodes from top to bottom.
pub(super) fn columns(picture: &Picture) -> Vec<Vec<usize>> {
    let mut column = vec![0_usize; picture.nodes.len()];
    // Nodes come after all that they wait for.
    for to in 0..picture.nodes.len() {
        let before = picture.edges.iter().filter(|it| it.to == to).map(|it| column[it.from] + 1);
        column[to] = before.max().unwrap_or(0);
    }
    // What nothing pushes right stands next to the first that waits for it: its arrows stay short.
    for from in (0..picture.nodes.len()).rev() {
        let nearest = picture.edges.iter().filter(|it| it.from == from).map(|it| column[it.to] - 1).min();
        column[from] = nearest.unwrap_or(column[from]);
    }
    let mut columns = vec![Vec::new(); column.iter().max().map_or(0, |last| last + 1)];
    for (node, column) in column.iter().enumerate() {
        columns[*column].push(node);
    }
    columns.retain(|column| !column.is_empty());
    // Few arrows cross where each node is at the mean height of its neighbours; twice each way is enough for graphs
    // that fit on a screen.
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

/// The arrows that are worth drawing: of steps not those that others imply.
pub(super) fn arrows(picture: &Picture) -> Vec<&Arrow> {
    let is_implied = |arrow: &&Arrow| {
        let beside = picture.edges.iter().filter(|it| it.from == arrow.from && it.to != arrow.to);
        picture.steps && beside.into_iter().any(|it| leads(picture, it.to, arrow.to))
    };
    picture.edges.iter().filter(|arrow| !is_implied(arrow)).collect()
}

/// Whether there is a way along arrows. They lead to later nodes only.
fn leads(picture: &Picture, from: usize, to: usize) -> bool {
    from == to || (from < to && picture.edges.iter().filter(|it| it.from == from).any(|it| leads(picture, it.to, to)))
}

fn waits(picture: &Picture, node: usize, on: usize) -> bool {
    picture.edges.iter().any(|it| it.from == on && it.to == node)
}

fn arrange(column: &mut [usize], beside: &[usize], is_near: impl Fn(usize, usize) -> bool) {
    let mean = |node: usize| {
        let near: Vec<usize> = (0..beside.len()).filter(|at| is_near(node, beside[*at])).collect();
        // In thousandths, so that it is a whole number. Those without neighbours go below.
        if near.is_empty() { usize::MAX } else { near.iter().sum::<usize>() * 1000 / near.len() }
    };
    column.sort_by_key(|node| mean(*node));
}
