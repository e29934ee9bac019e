//! Just enough of SQL's surface: where statements end, which parameters they name, which name was probably meant.

use std::collections::BTreeSet;

/// What a piece of SQL text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Quoted,
    Comment,
}

/// The statements of a file, without comments. Text between quotes is never looked into.
#[must_use]
pub(super) fn statements(text: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut current = String::new();
    for (kind, piece) in pieces(text) {
        match kind {
            Kind::Comment => current.push(' '),
            Kind::Quoted => current.push_str(piece),
            Kind::Code => {
                let mut parts = piece.split(';');
                current.push_str(parts.next().unwrap_or_default());
                for part in parts {
                    done.push(std::mem::replace(&mut current, part.to_owned()));
                }
            }
        }
    }
    done.push(current);
    done.iter()
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// The names of the `:name` parameters. A `::` is a cast, not a parameter.
#[must_use]
pub(super) fn parameters(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (kind, piece) in pieces(text) {
        if kind != Kind::Code {
            continue;
        }
        let mut before = ' ';
        for (at, c) in piece.char_indices() {
            if c == ':' && before != ':' {
                let name: String = piece
                    .get(at + 1..)
                    .unwrap_or_default()
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                if !name.is_empty() {
                    names.insert(name);
                }
            }
            before = c;
        }
    }
    names
}

/// The text as code, quoted text and comments, in order and complete.
fn pieces(text: &str) -> Vec<(Kind, &str)> {
    const OPENINGS: [(&str, &str, Kind); 4] = [
        ("'", "'", Kind::Quoted),
        ("\"", "\"", Kind::Quoted),
        ("--", "\n", Kind::Comment),
        ("/*", "*/", Kind::Comment),
    ];
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let opening = OPENINGS
            .iter()
            .filter_map(|(open, close, kind)| Some((rest.find(open)?, open, close, *kind)))
            .min_by_key(|(at, ..)| *at);
        let Some((at, open, close, kind)) = opening else {
            found.push((Kind::Code, rest));
            return found;
        };
        let (code, quoted) = rest.split_at(at);
        let body = quoted.get(open.len()..).unwrap_or_default();
        let end = body
            .find(close)
            .map_or(quoted.len(), |end| open.len() + end + close.len());
        let (quoted, after) = quoted.split_at(end);
        found.push((Kind::Code, code));
        found.push((kind, quoted));
        rest = after;
    }
}

/// The known name that is closest to `name`, where one is close enough to be meant.
#[must_use]
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()) / 2)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, letter case ignored.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut next = vec![i + 1];
        for (y, pair) in b.iter().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            let left = next.last().copied().unwrap_or_default();
            next.push(
                (diagonal + usize::from(x != *y))
                    .min(above + 1)
                    .min(left + 1),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_in_quotes_or_comments_ends_nothing() {
        let text =
            "INSERT INTO a VALUES (';', \"x;y\"); -- one; two\nUPDATE a SET b = 1 /* ; */;\n;";
        assert_eq!(
            statements(text),
            ["INSERT INTO a VALUES (';', \"x;y\")", "UPDATE a SET b = 1"]
        );
    }

    #[test]
    fn parameters_are_read_from_code_only() {
        let text = "SELECT :a, ':b', x::text, :c_1 -- :d";
        assert_eq!(
            parameters(text).into_iter().collect::<Vec<_>>(),
            ["a", "c_1"]
        );
    }

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        let known = ["ClockedIn", "ClockedOut", "TaskAssigned"];
        assert_eq!(nearest("ClockedIm", known), Some("ClockedIn"));
        assert_eq!(nearest("Zebra", known), None);
    }
}
