//! Drawing on one page, from the top down.

use pdf_writer::{Content, Name, Str};

use super::{BLACK, GREEN, GREY, HEIGHT, INK, LEFT, RIGHT};

/// Standard fonts, which every reader has, so that none must be embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    Helvetica,
    Bold,
    Times,
    Courier,
}

impl Font {
    /// The name in the page's resources.
    pub fn name(self) -> Name<'static> {
        Name(match self {
            Self::Helvetica => b"F1",
            Self::Bold => b"F2",
            Self::Times => b"F3",
            Self::Courier => b"F4",
        })
    }

    /// The name of the standard font.
    pub fn base_font(self) -> Name<'static> {
        Name(match self {
            Self::Helvetica => b"Helvetica",
            Self::Bold => b"Helvetica-Bold",
            Self::Times => b"Times-Italic",
            Self::Courier => b"Courier",
        })
    }
}

/// A page and the current vertical position.
pub(super) struct Page {
    pub content: Content,
    y: f32,
}

impl Page {
    pub fn new() -> Self {
        Self { content: Content::new(), y: HEIGHT - 56.0 }
    }

    pub fn down(&mut self, points: f32) {
        self.y -= points;
    }

    /// One line of text at the current height.
    pub fn text(&mut self, font: Font, size: f32, [red, green, blue]: [f32; 3], x: f32, text: &str) {
        let y = self.y;
        self.content.begin_text();
        self.content.set_font(font.name(), size).set_fill_rgb(red, green, blue);
        self.content.next_line(x, y).show(Str(&win_ansi(text)));
        self.content.end_text();
    }

    /// A line from margin to margin.
    pub fn rule(&mut self, [red, green, blue]: [f32; 3]) {
        self.content.set_stroke_rgb(red, green, blue).set_line_width(0.6);
        self.content.move_to(LEFT, self.y).line_to(RIGHT, self.y).stroke();
    }

    /// A label, and beside it a text, wrapped as necessary.
    pub fn labelled(&mut self, label: &str, font: Font, text: &str) {
        self.text(Font::Helvetica, 9.0, GREY, LEFT, label);
        let (size, width) = match font {
            Font::Courier => (8.5, 70),
            _ => (10.0, 72),
        };
        for line in wrap(text, width) {
            self.text(font, size, BLACK, LEFT + 80.0, &line);
            self.down(15.0);
        }
    }

    /// Running text between the margins.
    pub fn paragraph(&mut self, text: &str) {
        for line in wrap(text, 94) {
            self.text(Font::Helvetica, 10.0, BLACK, LEFT, &line);
            self.down(14.0);
        }
    }

    /// A box for a signature. With a mark, such as `SIGNED`, the box contains the signature.
    pub fn signature(&mut self, name: &str, caption: &str, mark: Option<&str>) {
        let (height, width) = (70.0, RIGHT - LEFT);
        let bottom = self.y - height;
        self.content.set_stroke_rgb(GREY[0], GREY[1], GREY[2]).set_line_width(0.8);
        self.content.rect(LEFT, bottom, width, height).stroke();
        self.content.move_to(LEFT + 14.0, bottom + 24.0).line_to(LEFT + 300.0, bottom + 24.0).stroke();
        let top = self.y;
        if let Some(mark) = mark {
            self.y = bottom + 32.0;
            self.text(Font::Times, 24.0, INK, LEFT + 24.0, name);
            self.flourish(LEFT + 22.0, bottom + 27.0);
            self.tick(RIGHT - 116.0, bottom + 32.0);
            self.y = bottom + 30.0;
            self.text(Font::Bold, 15.0, GREEN, RIGHT - 88.0, mark);
        }
        self.y = bottom + 10.0;
        self.text(Font::Helvetica, 8.0, GREY, LEFT + 14.0, caption);
        self.y = top - height - 14.0;
    }

    /// A pen stroke under a name.
    fn flourish(&mut self, x: f32, y: f32) {
        self.content.set_stroke_rgb(INK[0], INK[1], INK[2]).set_line_width(1.1);
        self.content.move_to(x, y);
        self.content.cubic_to(x + 60.0, y - 7.0, x + 120.0, y + 9.0, x + 190.0, y - 1.0);
        self.content.cubic_to(x + 205.0, y - 3.0, x + 180.0, y - 6.0, x + 165.0, y - 4.0).stroke();
    }

    fn tick(&mut self, x: f32, y: f32) {
        self.content.set_stroke_rgb(GREEN[0], GREEN[1], GREEN[2]).set_line_width(3.0);
        self.content.move_to(x, y + 4.0).line_to(x + 6.0, y - 2.0).line_to(x + 19.0, y + 13.0).stroke();
    }

    /// A word across the upper right corner.
    pub fn stamp(&mut self, word: &str, [red, green, blue]: [f32; 3]) {
        let (sin, cos) = 0.26_f32.sin_cos();
        self.content.save_state();
        self.content.transform([cos, sin, -sin, cos, RIGHT - 130.0, HEIGHT - 140.0]);
        self.content.set_stroke_rgb(red, green, blue).set_line_width(2.0);
        self.content.rect(-10.0, -9.0, 122.0, 42.0).stroke();
        self.content.begin_text();
        self.content.set_font(Font::Bold.name(), 32.0).set_fill_rgb(red, green, blue);
        self.content.show(Str(&win_ansi(word)));
        self.content.end_text();
        self.content.restore_state();
    }

    /// The small print at the bottom.
    pub fn footer(&mut self, text: &str) {
        self.y = 44.0;
        self.rule(GREY);
        self.down(14.0);
        self.text(Font::Helvetica, 8.0, GREY, LEFT, text);
    }
}

/// Wraps a text into lines of at most `width` characters. A longer word is broken.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        for piece in pieces(word, width) {
            let line = lines.last().map_or(0, |line| line.chars().count());
            let space = usize::from(line > 0);
            if line + space + piece.chars().count() > width {
                lines.push(piece);
            } else if let Some(last) = lines.last_mut() {
                last.extend(std::iter::repeat_n(' ', space));
                last.push_str(&piece);
            }
        }
    }
    lines
}

fn pieces(word: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(width).map(|piece| piece.iter().collect()).collect()
}

/// Encodes a text as WinAnsi, the fonts' encoding. Other characters become question marks.
fn win_ansi(text: &str) -> Vec<u8> {
    let known = |byte: &u8| matches!(byte, 0x20..=0x7e | 0xa0..);
    let byte = |letter: char| u8::try_from(letter).ok().filter(known).unwrap_or(b'?');
    text.chars().map(byte).collect()
}
