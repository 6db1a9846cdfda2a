//! Horizontal bars as SVG. The colours are readable on white and on black.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 140.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 34.0;
const STEP: f64 = 24.0;
const THICKNESS: f64 = 15.0;

const TEXT: &str = "#767676";
const OURS: &str = "#d9601a";
const OTHERS: &str = "#5b8cb8";

/// A bar that is longer than so many times ours is cut off.
const LONGEST: f64 = 5.0;

/// One server.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) label: &'static str,
    pub(crate) value: f64,
    /// A thin line over the bar, from here to there.
    pub(crate) line: (f64, f64),
    pub(crate) text: String,
    pub(crate) is_ours: bool,
}

/// Bars below each other.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
    pub(crate) is_logarithmic: bool,
}

impl Chart {
    /// The whole picture.
    pub(crate) fn render(&self) -> String {
        let mut height = TOP + 8.0;
        let mut body = String::new();
        for bar in &self.bars {
            body.push_str(&self.bar(bar, height - 8.0));
            height += STEP;
        }
        let title = escape(&self.title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"{TEXT}\" \
             role=\"img\" aria-label=\"{title}\">\n\
             <text x=\"8\" y=\"20\" font-size=\"14\" font-weight=\"600\">{title}</text>\n{body}</svg>\n"
        )
    }

    fn bar(&self, bar: &Bar, top: f64) -> String {
        let (colour, weight) = if bar.is_ours { (OURS, "700") } else { (OTHERS, "400") };
        let end = self.place(bar.value);
        let (from, to) = (self.place(bar.line.0), self.place(bar.line.1));
        let is_cut = bar.value > self.limits().1;
        let text = if is_cut { format!("» {}", bar.text) } else { bar.text.clone() };
        let (baseline, middle) = (top + 12.0, top + THICKNESS / 2.0);
        let (label_end, length, text_begin) = (LEFT - 8.0, (end - LEFT).max(1.0), to.max(end) + 8.0);
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{label_end}\" y=\"{baseline}\" text-anchor=\"end\" font-weight=\"{weight}\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"{THICKNESS}\" rx=\"2\" fill=\"{colour}\"/>\
             <path d=\"M{from:.1} {middle}H{to:.1}\" stroke=\"{TEXT}\" stroke-width=\"2\"/>\
             <text x=\"{text_begin:.1}\" y=\"{baseline}\" font-weight=\"{weight}\">{}</text>",
            escape(bar.label),
            escape(&text),
        );
        svg
    }

    /// Where on the picture a value is.
    fn place(&self, value: f64) -> f64 {
        let (least, most) = self.limits();
        let share = if self.is_logarithmic {
            (value.max(least) / least).ln() / (most / least).ln()
        } else {
            (value - least) / (most - least)
        };
        LEFT + (WIDTH - LEFT - RIGHT) * share.clamp(0.0, 1.0)
    }

    /// The values at the left and at the right end.
    fn limits(&self) -> (f64, f64) {
        let ends = self.bars.iter().map(|bar| bar.value.max(bar.line.1));
        let most = ends.fold(f64::MIN_POSITIVE, f64::max);
        let values = self.bars.iter().map(|bar| bar.value).filter(|value| *value > 0.0);
        let least = values.fold(most, f64::min);
        let ours = self.bars.iter().find(|bar| bar.is_ours).map_or(least, |bar| bar.value);
        if self.is_logarithmic {
            (least / 2.0, most)
        } else {
            (0.0, if ours > 0.0 { most.min(ours * LONGEST) } else { most })
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[f64], is_logarithmic: bool) -> Chart {
        let bar = |value: &f64| {
            let value = *value;
            Bar { label: "one", value, line: (value, value), text: "a<b".into(), is_ours: false }
        };
        Chart { title: "title".into(), bars: values.iter().map(bar).collect(), is_logarithmic }
    }

    #[test]
    fn long_bars_are_cut_off() {
        let chart = chart(&[1.0, 2.0, 100.0], false);
        assert!((chart.place(100.0) - (WIDTH - RIGHT)).abs() < 1e-9);
        assert!((chart.place(0.0) - LEFT).abs() < 1e-9);
        let picture = chart.render();
        assert!(picture.contains("» a&lt;b"));
        assert_eq!(picture.matches("<rect").count(), 3);
    }

    #[test]
    fn logarithms_grow_evenly() {
        let chart = chart(&[2.0, 4.0, 8.0], true);
        let (first, second, third) = (chart.place(2.0), chart.place(4.0), chart.place(8.0));
        assert!(((second - first) - (third - second)).abs() < 1e-9);
    }
}
