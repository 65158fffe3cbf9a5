//! The chart of the load test: an SVG for `docs/` with logarithmic axes.

use std::fmt::Write;

use crate::load::{Load, Step};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;

/// A logarithmic axis: the values at its ends, and the positions of the ends in the picture.
struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Axis {
    fn position(&self, value: f64) -> f64 {
        let share = (value / self.from).ln() / (self.to / self.from).ln();
        self.start + share * (self.end - self.start)
    }
}

/// Draws the chart.
#[must_use]
pub fn svg(load: &Load, caption: &str) -> String {
    let steps = &load.steps;
    let of = |value: fn(&Step) -> f64| steps.iter().map(value);
    let rates = Axis {
        from: of(|step| step.sent).fold(f64::INFINITY, f64::min),
        to: of(|step| step.sent).fold(0.0, f64::max),
        start: LEFT,
        end: WIDTH - RIGHT,
    };
    let times = Axis {
        from: 10_f64.powf(of(|step| step.p50).fold(f64::INFINITY, f64::min).log10().floor()),
        to: 10_f64.powf(of(|step| step.p99).fold(0.0, f64::max).log10().ceil()),
        start: HEIGHT - BOTTOM,
        end: TOP,
    };
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#24292f" role="img">
<title>countersign serve under load: response time by callbacks per second</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{LEFT}" y="22" font-weight="600">countersign serve under rising load</text>
<text x="{LEFT}" y="39" fill="#57606a">{caption}</text>
"##
    );
    let mut time = times.from;
    while time <= times.to * 1.01 {
        let y = times.position(time);
        let label = if time < 1_000.0 { format!("{time} ms") } else { format!("{} s", time / 1_000.0) };
        let _ = writeln!(svg, r##"<path d="M{LEFT} {y:.1}H{:.1}" stroke="#d0d7de"/>"##, WIDTH - RIGHT);
        let _ = writeln!(svg, r##"<text x="{}" y="{:.1}" text-anchor="end">{label}</text>"##, LEFT - 8.0, y + 4.0);
        time *= 10.0;
    }
    for step in steps {
        let (x, y) = (rates.position(step.sent), HEIGHT - BOTTOM + 20.0);
        let _ = writeln!(svg, r##"<text x="{x:.1}" y="{y}" text-anchor="middle">{}</text>"##, step.sent);
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let below = HEIGHT - 10.0;
    let _ = writeln!(svg, r##"<text x="{middle}" y="{below}" text-anchor="middle">callbacks per second</text>"##);
    for (name, colour, dashes, value) in [
        ("p99", "#cf222e", "6 4", (|step: &Step| step.p99) as fn(&Step) -> f64),
        ("p50", "#0969da", "", |step: &Step| step.p50),
    ] {
        let points = steps.iter().map(|step| (rates.position(step.sent), times.position(value(step))));
        let points: Vec<(f64, f64)> = points.collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        let _ = writeln!(
            svg,
            r##"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>"##
        );
        for (x, y) in &points {
            let _ = writeln!(svg, r##"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"/>"##);
        }
        if let (Some((x, y)), Some(last)) = (points.last(), steps.last()) {
            let time = value(last);
            let time = if time < 1_000.0 { format!("{time:.0} ms") } else { format!("{:.1} s", time / 1_000.0) };
            let (x, y) = (x + 10.0, y + 4.0);
            let _ = writeln!(svg, r##"<text x="{x:.1}" y="{y:.1}" fill="{colour}">{name} {time}</text>"##);
        }
    }
    svg + "</svg>\n"
}
