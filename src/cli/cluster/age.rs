//! How long ago something was, as kubectl's tables have it: one unit, rounded down.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// `90s`, `5m`, `3h`, `12d`; `-` for what has not been.
pub(super) fn age(time: Option<&Time>, now: Timestamp) -> String {
    let Some(Time(time)) = time else {
        return "-".to_owned();
    };
    let seconds = now.duration_since(*time).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: i64, expected: &str) {
        let now = Timestamp::from_second(10_000_000).expect("it is a time");
        let time = Timestamp::from_second(10_000_000 - seconds).expect("it is a time");
        assert_eq!(age(Some(&Time(time)), now), expected);
    }

    #[test]
    fn one_unit_tells() {
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(7_199, "119m");
        check(7_200, "2h");
        check(172_800, "2d");
        check(-5, "0s");
        assert_eq!(age(None, Timestamp::UNIX_EPOCH), "-");
    }
}
