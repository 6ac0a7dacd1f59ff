//! Writes the manual pages of `man/` in the language of man(7).

use super::About;

/// Text that troff takes as it is.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    // A line that begins with a dot would be a request.
    escaped
        .lines()
        .map(|line| if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A whole page of prose.
pub fn page(name: &str, section: &str, about: &str, text: &str) -> String {
    let mut page = format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {} {section} \"\" \"coracle {}\" \"coracle\"\n.SH NAME\n{} \\- {}\n",
        escaped(name),
        env!("CARGO_PKG_VERSION"),
        escaped(name),
        escaped(about)
    );
    let mut lines = text.lines().peekable();
    // Whether the next words begin a paragraph.
    let mut fresh = true;
    let mut described = false;
    while let Some(line) = lines.next() {
        if let Some(section) = line.strip_prefix("## ") {
            page.push_str(&format!(".SH {}\n", escaped(&section.to_uppercase())));
            (fresh, described) = (false, true);
            continue;
        }
        if !described && !line.is_empty() {
            page.push_str(".SH DESCRIPTION\n");
            (fresh, described) = (false, true);
        }
        if line.is_empty() {
            fresh = true;
        } else if let Some(code) = line.strip_prefix("    ") {
            let mut block = vec![code];
            while let Some(more) = lines.next_if(|line| line.starts_with("    ")) {
                block.push(&more[4..]);
            }
            page.push_str(&format!(".PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", escaped(&block.join("\n"))));
            fresh = true;
        } else if let Some(term) = line.strip_prefix("- ") {
            page.push_str(&format!(".TP\n\\fB{}\\fR\n", escaped(term)));
            fresh = false;
        } else {
            if fresh && !line.starts_with("  ") {
                page.push_str(".PP\n");
            }
            page.push_str(&format!("{}\n", escaped(line.trim_start())));
            fresh = false;
        }
    }
    page
}

/// The sections that a command's page has beside what clap knows.
pub fn sections(about: &About, see_also: &[&str]) -> String {
    let mut text = String::new();
    if !about.examples.is_empty() {
        text.push_str(".SH EXAMPLES\n");
        for (title, lines) in &about.examples {
            if let Some(title) = title {
                text.push_str(&format!(".PP\n{}:\n", escaped(title)));
            }
            text.push_str(&format!(".PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", escaped(&lines.join("\n"))));
        }
    }
    if !see_also.is_empty() {
        let pages: Vec<String> = see_also.iter().map(|page| format!("\\fB{}\\fR", escaped(page))).collect();
        text.push_str(&format!(".SH \"SEE ALSO\"\n{}\n", pages.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_request() {
        assert_eq!(escaped(".x a-b\\n 'q'\nok"), "\\&.x a\\-b\\en \\(aqq\\(aq\nok");
    }

    #[test]
    fn pages_have_sections_lists_and_code() {
        let page = page(
            "a",
            "5",
            "thing",
            "First.\n\nSecond\nline.\n\n    code here\n      more\n\n## Keys\n\n- key\n  What it is.\n\nLast.\n",
        );
        for part in [
            ".TH a 5 ",
            ".SH NAME\na \\- thing\n.SH DESCRIPTION\nFirst.\n.PP\nSecond\nline.\n.PP\n.RS 4\n.nf\ncode here\n  more\n.fi\n.RE\n",
            ".SH KEYS\n.TP\n\\fBkey\\fR\nWhat it is.\n.PP\nLast.\n",
        ] {
            assert!(page.contains(part), "{part}\n---\n{page}");
        }
    }
}
