//! What a real browser makes of a page.

use fateshare::report::document::Report;
use fateshare::report::page::page;
use serde_json::{Value, json};

use super::chromium::Browser;
use super::reports;

pub(super) const WIDE: u32 = 1_200;
pub(super) const PHONE: u32 = 360;

/// Texts, and what they stand on, that differ by less than 4.5:1; bars and marks by less than 3:1.
pub(super) const PALE: &str = r"(() => {
  const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
  const part = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length === 3) return colour;
      if (colour[3] !== 0) throw new Error('half transparent');
    }
    return rgb(getComputedStyle(document.documentElement).backgroundColor).slice(0, 3);
  };
  const pale = [];
  let seen = 0;
  const judge = (colour, element, least, what) => {
    seen += 1;
    const found = ratio(rgb(colour), behind(element));
    if (found < least) pale.push(`${what}: ${found.toFixed(2)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (text) judge(getComputedStyle(element).color, element, 4.5, text.slice(0, 40));
  }
  for (const cell of document.querySelectorAll('td')) {
    const label = getComputedStyle(cell, '::before');
    if (label.content !== 'none') judge(label.color, cell, 4.5, label.content);
  }
  for (const bar of document.querySelectorAll('.bar line.life, .bar line.down, .bar line.verdict, .bar .killed, .bar .gone')) {
    judge(getComputedStyle(bar).stroke, bar, 3, bar.getAttribute('class'));
  }
  for (const mark of document.querySelectorAll('.bar .exited, .bar .left, .bar .told, .bar .kill')) {
    judge(getComputedStyle(mark).fill, mark, 3, mark.getAttribute('class'));
  }
  return {seen, pale};
})()";

/// What reaches beyond the edges of a screen so wide. (A phone's own width grows with what is on it.)
const BEYOND: &str = r"(screen => {
  const root = document.documentElement, beyond = [];
  if (root.scrollWidth > screen) beyond.push(`the page: ${root.scrollWidth} of ${screen}`);
  for (const element of document.querySelectorAll('body *:not(svg *):not(thead, thead *)')) {
    const {left, right, width} = element.getBoundingClientRect();
    if (width && (left < -0.5 || right > screen + 0.5)) {
      beyond.push(`${element.tagName} ${element.className}: ${left} to ${right}`);
    }
  }
  return beyond.slice(0, 5);
})";

/// Each row: who, where its bar begins and ends, where its mark is, where the verdict's line is.
const BARS: &str = r"[...document.querySelectorAll('.picture .row:not(.top, .axis)')].map(row => {
  const box = wanted => row.querySelector(wanted)?.getBoundingClientRect();
  const mark = box('.exited, .killed, .left, .gone');
  return {
    who: row.querySelector('.who').textContent,
    culprit: row.classList.contains('culprit'),
    from: (box('line.life') ?? box('line.down'))?.left,
    to: (box('line.down') ?? box('line.life'))?.right,
    mark: mark && (mark.left + mark.right) / 2,
    told: box('.bar .told')?.left,
    verdict: box('line.verdict').left,
    edge: row.querySelector('.bar').getBoundingClientRect().right,
  };
})";

/// Nothing reaches beyond the screen, and nothing is too pale.
pub(super) fn can_be_read(browser: &mut Browser, name: &str, (width, scheme): (u32, &str)) {
    browser.look(width, "screen", scheme);
    let beyond = browser.ask(&format!("{BEYOND}({width})"));
    assert_eq!(beyond, json!([]), "{name}: {width}, {scheme}");
    let judged = browser.ask(PALE);
    assert!(judged["seen"].as_u64() > Some(50), "{name}: {judged}");
    assert_eq!(judged["pale"], json!([]), "{name}: {width}, {scheme}");
}

fn some_reports() -> [(&'static str, Report); 5] {
    [
        ("full", reports::full()),
        ("hostile", reports::hostile()),
        ("provisional", reports::provisional()),
        ("main cannot be killed", reports::kept("main_cannot_be_killed")),
        ("nobody can be started", reports::kept("nobody_can_be_started")),
    ]
}

#[test]
fn it_can_be_read_on_every_screen() {
    let Some(mut browser) = Browser::start() else { return };
    for (name, report) in some_reports() {
        browser.open(&page(&report));
        for width in [WIDE, PHONE] {
            let mut grounds = Vec::new();
            for scheme in ["light", "dark"] {
                can_be_read(&mut browser, name, (width, scheme));
                grounds.push(browser.ask("getComputedStyle(document.body).backgroundColor"));
            }
            assert_ne!(grounds[0], grounds[1], "{name}: light and dark");
        }
        assert_eq!(browser.complaints(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_large_one_fits_a_phone() {
    let Some(mut browser) = Browser::start() else { return };
    browser.look(PHONE, "screen", "light");
    browser.open(&page(&reports::large()));
    assert_eq!(browser.ask("document.documentElement.scrollWidth"), json!(PHONE));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn bars_lie_where_their_times_are() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&reports::full()));
    for width in [WIDE, PHONE] {
        browser.look(width, "screen", "light");
        let rows = browser.ask(BARS);
        let row = |who: &str| {
            let rows = rows.as_array().expect("rows");
            rows.iter().find(|row| row["who"] == who).unwrap_or_else(|| panic!("{who}: {rows:?}"))
        };
        let at = |who: &str, what: &str| row(who)[what].as_f64().expect("a place");
        let near = |one: f64, other: f64| (one - other).abs() < 1.5;
        let verdict = at("config-server", "verdict");

        assert_eq!(rows[0]["who"], "config-server", "who ended first stands first");
        assert_eq!(
            rows.as_array().expect("rows").iter().filter(|it| it["culprit"] == true).count(),
            1
        );
        assert!(
            near(at("config-server", "to"), verdict) && near(at("config-server", "mark"), verdict)
        );
        assert!(at("migrate", "mark") < verdict - 50.0, "it finished long before: {rows}");
        assert!(near(at("web", "from"), at("config-server", "from")));
        assert!(at("web", "mark") > verdict && at("web", "mark") < verdict + 10.0, "{rows}");
        let monitor = "performance monitor";
        assert!(at(monitor, "mark") > at("web", "mark") + 50.0, "it had to be killed: {rows}");
        assert!(
            near(at(monitor, "to"), at(monitor, "mark")) && at(monitor, "told") < at(monitor, "to")
        );
        assert!(near(at(monitor, "mark"), at(monitor, "edge")), "the end is at the edge: {rows}");
        assert!(at("└ worker", "from") > at("└ sleep", "from"), "told later: {rows}");
        assert!(at("└ sleep", "from") > verdict - 0.5, "nobody saw it before: {rows}");
        let lines = rows.as_array().expect("rows").iter().map(|it| it["verdict"].as_f64());
        assert!(lines.flatten().all(|it| near(it, verdict)), "one line: {rows}");
    }
}

#[test]
fn on_paper_it_is_black_on_white_and_no_row_is_cut() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&reports::full()));
    // Paper is light, whatever the screen is.
    browser.look(WIDE, "print", "dark");
    assert_eq!(browser.ask(PALE)["pale"], json!([]));
    let style = |what: &str, of: &str| {
        format!(
            "[...new Set([...document.querySelectorAll('{of}')].map(it => getComputedStyle(it)['{what}']))]"
        )
    };
    assert_eq!(browser.ask(&style("backgroundColor", "body")), json!(["rgb(255, 255, 255)"]));
    assert_eq!(browser.ask(&style("color", "h1, h2, td.what, tbody th")), json!(["rgb(0, 0, 0)"]));
    assert_eq!(browser.ask(&style("breakInside", "tr, .row")), json!(["avoid"]));
    assert_eq!(browser.ask(&style("display", "thead")), json!(["table-header-group"]));
    browser.call("Emulation.clearDeviceMetricsOverride", &json!({}));
    let printed = browser.call("Page.printToPDF", &json!({}));
    let pdf = printed["data"].as_str().expect("a document");
    assert!(pdf.starts_with("JVBERi0") && pdf.len() > 20_000, "{} letters", pdf.len());
}

#[test]
fn a_screen_reader_is_told_everything() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&reports::full()));
    for width in [WIDE, PHONE] {
        browser.look(width, "screen", "light");
        let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().expect("nodes");
        let seen: Vec<&Value> = nodes.iter().filter(|it| it["ignored"] == false).collect();
        let names = |role: &str| -> Vec<&str> {
            let of_role = seen.iter().filter(|it| it["role"]["value"] == role);
            of_role.filter_map(|it| it["name"]["value"].as_str()).collect()
        };
        for landmark in ["banner", "main", "contentinfo"] {
            assert_eq!(names(landmark).len(), 1, "{width}: {landmark}");
        }
        let sections = ["Timeline", "Members", "Stragglers", "Signals received", "Logs", "Events"];
        assert_eq!(names("region"), sections, "{width}");
        let pictures = [names("image"), names("img")].concat();
        assert_eq!(pictures.len(), 1, "{width}: {pictures:?}");
        assert!(pictures[0].starts_with("Timeline. config-server (pid 8) exited with 1;"));
        // Also where rows are shown as cards.
        let tables = names("table");
        assert_eq!(tables.len(), 5, "{width}: {tables:?}");
        assert!(tables.contains(&"What was started, how each ended, and what it used."));
        let headings = names("columnheader");
        assert!(
            headings.contains(&"Peak memory") && headings.contains(&"Since verdict"),
            "{width}"
        );
        assert!(names("rowheader").iter().any(|it| it.starts_with("performance monitor")));
    }
}

#[test]
fn nothing_in_a_report_acts() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&reports::hostile()));
    assert_eq!(browser.ask("document.querySelectorAll('script, img, iframe, a').length"), json!(0));
    assert_ne!(browser.ask("document.title"), json!("ran"));
    let title = browser.ask("document.title");
    assert!(title.as_str().is_some_and(|it| it.contains("<script>")), "as text: {title}");
    let handlers = "[...document.querySelectorAll('*')].flatMap(it => it.getAttributeNames())\
                    .filter(it => it.startsWith('on') || it === 'src' || it === 'href')";
    assert_eq!(browser.ask(handlers), json!([]));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
