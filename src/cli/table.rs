//! Tables aligned as docker's are: Go's `text/tabwriter` with a least width of 10 and a padding of 3.

use std::iter::repeat_n;

/// The least width of a column of `ps` and `images`, padding included.
const WIDTH_MIN: usize = 10;
/// Spaces behind the longest cell of a column.
const PADDING: usize = 3;

/// Aligns the cells of `text`: a cell ends at a tab, and its column is made of the cells above and below it in lines that
/// have one there. What follows the last tab of a line is not aligned.
pub fn align(text: &str) -> String {
    align_to(text, WIDTH_MIN)
}

/// [`align`] with another least width: docker's `top` has 20.
pub fn align_to(text: &str, least: usize) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            let block = widths[start..].iter().take_while(|line| line.len() > column).count();
            let cells = lines[start..start + block].iter().map(|cells| cells[column].chars().count() + PADDING);
            let width = cells.max().unwrap_or(0).max(least);
            widths[start..start + block].iter_mut().for_each(|line| line[column] = width);
            start += block.max(1);
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (cells, widths) in lines.iter().zip(&widths) {
        for (cell, width) in cells.iter().zip(widths) {
            out.push_str(cell);
            out.extend(repeat_n(' ', width - cell.chars().count()));
        }
        out.push_str(cells.last().unwrap_or(&""));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let aligned = align("CONTAINER ID\tNAMES\tX\n0123456789ab\tä\ty\nshort\tlonger-than-ten\tz\n");
        let expected = "CONTAINER ID   NAMES             X\n\
                        0123456789ab   ä                 y\n\
                        short          longer-than-ten   z\n";
        assert_eq!(aligned, expected);
    }

    #[test]
    fn a_line_without_a_cell_ends_the_column() {
        assert_eq!(
            align("a\tb\nnothing here\nlonger than ten\tc\n"),
            "a         b\nnothing here\nlonger than ten   c\n"
        );
        assert_eq!(align(""), "");
    }
}
