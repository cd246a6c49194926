//! The nearest valid names to a misspelt one, for every "did you mean".

/// Up to `most` candidates that differ from `name` by a few edits, nearest first, ties in the given order.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let limit = (name.chars().count() / 3).max(1) + 1;
    let mut found: Vec<(usize, &str)> = Vec::new();
    for candidate in candidates {
        let prefix = candidate.starts_with(name) && !name.is_empty();
        let cost = if prefix { 1 } else { distance(name, candidate) };
        if cost <= limit && !found.iter().any(|&(_, seen)| seen == candidate) {
            found.push((cost, candidate));
        }
    }
    found.sort_by_key(|&(cost, _)| cost);
    found.into_iter().take(most).map(|(_, candidate)| candidate).collect()
}

/// Optimal string alignment distance: insert, delete, replace and swap of neighbours cost one each.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_name_first() {
        let names = ["volume", "vwap", "vwap_dist", "last", "last_age"];
        assert_eq!(nearest("volme", names, 3), ["volume"]);
        assert_eq!(nearest("lsat", names, 1), ["last"]);
        assert_eq!(nearest("vwap_", names, 2), ["vwap", "vwap_dist"]);
        assert!(nearest("zzzzzz", names, 3).is_empty());
    }
}
