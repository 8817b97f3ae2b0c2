//! Renders a graph as a self-contained SVG image, without external fonts, scripts or styles.

use super::layers::{arrows, columns};
use super::{Arrow, Picture, Shape, Tone};
use crate::ui::terminal::width::columns as cells;

/// Font size and character width in pixels. A monospaced character is about 0.6 of the font size wide.
const FONT: usize = 13;
const LETTER: usize = 8;

/// The line height in a node, and its padding.
const LINE: usize = 18;
const PAD: usize = 12;

/// The gap between nodes, and the margin of the image.
const GAP: usize = 22;
const MARGIN: usize = 24;

/// The gap between edges that are routed below the nodes.
const LANE: usize = 14;

/// The minimum gap between columns; a label can widen it.
const COLUMN_GAP: usize = 70;

#[derive(Clone, Copy, Default)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// Returns the SVG text, which ends with a line feed.
pub fn draw(picture: &Picture) -> String {
    let columns = columns(picture);
    let places = places(picture, &columns);
    let right = places.iter().map(|it| it.x + it.width).max().unwrap_or(0);
    let right = right.max(MARGIN + cells(&picture.title) * 10);
    let bottom = places.iter().map(|it| it.y + it.height).max().unwrap_or(0);
    let column = |node: usize| columns.iter().position(|column| column.contains(&node)).unwrap_or(0);
    let (long, short): (Vec<&Arrow>, Vec<&Arrow>) =
        arrows(picture).into_iter().partition(|it| column(it.to) > column(it.from) + 1);
    let (width, height) = (right + MARGIN, bottom + MARGIN + long.len() * LANE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
         {height}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', monospace\" font-size=\"{FONT}\">\n<title>{}</title>\n",
        escaped(&picture.title)
    );
    svg.push_str(
        "<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#52525b\"/></marker></defs>\n",
    );
    svg.push_str(&format!("<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"));
    svg.push_str(&format!(
        "<text x=\"{MARGIN}\" y=\"{}\" font-size=\"16\" font-weight=\"bold\" fill=\"#18181b\">{}</text>\n",
        MARGIN + 8,
        escaped(&picture.title)
    ));
    for arrow in short {
        svg.push_str(&line(places[arrow.from], places[arrow.to], &arrow.label));
    }
    for (n, arrow) in long.into_iter().enumerate() {
        svg.push_str(&detour(places[arrow.from], places[arrow.to], bottom + (n + 1) * LANE, &arrow.label));
    }
    for (node, place) in picture.nodes.iter().zip(&places) {
        svg.push_str(&vertex(node, *place));
    }
    svg + "</svg>\n"
}

fn places(picture: &Picture, columns: &[Vec<usize>]) -> Vec<Place> {
    let mut places = vec![Place::default(); picture.nodes.len()];
    let size = |node: usize| {
        let lines = lines(&picture.nodes[node]);
        let width = lines.iter().map(|it| cells(it)).max().unwrap_or(0) * LETTER + 2 * PAD;
        (width, lines.len() * LINE + PAD)
    };
    let height = |column: &Vec<usize>| column.iter().map(|node| size(*node).1 + GAP).sum::<usize>();
    let tallest = columns.iter().map(height).max().unwrap_or(0);
    let label = picture.edges.iter().map(|it| cells(&it.label) * LETTER).max().unwrap_or(0);
    let mut x = MARGIN;
    for column in columns {
        let width = column.iter().map(|node| size(*node).0).max().unwrap_or(0);
        let mut y = MARGIN + 30 + (tallest - height(column)) / 2;
        for node in column {
            let (_, height) = size(*node);
            places[*node] = Place { x, y, width, height };
            y += height + GAP;
        }
        x += width + COLUMN_GAP.max(label + GAP);
    }
    places
}

fn lines(node: &super::Vertex) -> Vec<&str> {
    [&node.label, &node.name, &node.note].into_iter().map(String::as_str).filter(|line| !line.is_empty()).collect()
}

fn vertex(node: &super::Vertex, place: Place) -> String {
    let (fill, edge) = match node.tone {
        Tone::Plain => ("#f4f4f5", "#71717a"),
        Tone::Good => ("#dcfce7", "#15803d"),
        Tone::Care => ("#fef3c7", "#b45309"),
        Tone::Bad => ("#fee2e2", "#b91c1c"),
    };
    let (radius, stroke, dash) = match node.shape {
        Shape::Main => (6, 3, ""),
        Shape::Container => (6, 2, ""),
        Shape::Volume => (18, 1, ""),
        Shape::Network => (0, 1, ""),
        Shape::Image => (0, 1, " stroke-dasharray=\"4 3\""),
    };
    let Place { x, y, width, height } = place;
    let mut svg = format!(
        "<g><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\" fill=\"{fill}\" \
         stroke=\"{edge}\" stroke-width=\"{stroke}\"{dash}/>\n"
    );
    for (i, text) in lines(node).iter().enumerate() {
        let (weight, colour) = match i {
            0 => (" font-weight=\"bold\"", "#18181b"),
            _ if *text == node.note => ("", edge),
            _ => ("", "#3f3f46"),
        };
        let down = y + PAD / 2 + FONT + i * LINE;
        svg.push_str(&format!(
            "<text x=\"{}\" y=\"{down}\" fill=\"{colour}\"{weight}>{}</text>\n",
            x + PAD,
            escaped(text)
        ));
    }
    svg + "</g>\n"
}

/// Draws an edge from the right side of a node to the left side of another.
fn line(from: Place, to: Place, label: &str) -> String {
    let (x1, y1) = (from.x + from.width, from.y + from.height / 2);
    let (x2, y2) = (to.x, to.y + to.height / 2);
    let bend = x1.midpoint(x2);
    let width = if label.is_empty() { "1" } else { "2" };
    let mut svg = format!(
        "<path d=\"M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#52525b\" \
         stroke-width=\"{width}\" marker-end=\"url(#head)\"/>\n"
    );
    if !label.is_empty() {
        // Above the start of the edge: in the middle, other edges cross it.
        let middle = x1 + GAP + cells(label) * LETTER / 2;
        svg.push_str(&caption(middle, y1.saturating_sub(6), label));
    }
    svg
}

/// Draws an edge below all nodes in between: an edge behind a node would seem to lead to it.
fn detour(from: Place, to: Place, lane: usize, label: &str) -> String {
    let (x1, y1) = (from.x + from.width, from.y + from.height / 2);
    let (x2, y2) = (to.x, to.y + to.height / 2);
    let (down, up) = (x1 + COLUMN_GAP / 2, x2.saturating_sub(COLUMN_GAP / 2));
    let width = if label.is_empty() { "1" } else { "2" };
    let mut svg = format!(
        "<path d=\"M{x1} {y1} C{down} {y1} {x1} {lane} {down} {lane} L{up} {lane} C{x2} {lane} {up} {y2} {x2} {y2}\" \
         fill=\"none\" stroke=\"#52525b\" stroke-width=\"{width}\" marker-end=\"url(#head)\"/>\n"
    );
    if !label.is_empty() {
        svg.push_str(&caption(x1.midpoint(x2), lane - 4, label));
    }
    svg
}

/// Draws a label with a white outline, which separates it from edges.
fn caption(x: usize, y: usize, label: &str) -> String {
    format!(
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"12\" fill=\"#18181b\" stroke=\"#ffffff\" \
         stroke-width=\"4\" paint-order=\"stroke\">{}</text>\n",
        escaped(label)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
