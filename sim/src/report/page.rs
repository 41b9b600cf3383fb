//! A page of HTML that needs nothing beside itself: no script, no font, no picture from elsewhere.

use super::format::escape;

const STYLE: &str = "\
:root{color-scheme:light dark}*{box-sizing:border-box}\
body{font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;color:#20242c;background:#f4f5f8;margin:0}\
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}\
header{border-bottom:3px solid #4477aa;margin-bottom:24px;padding-bottom:12px}\
h1{font-size:30px;line-height:1.2;margin:0 0 4px}h2{font-size:20px;margin:36px 0 12px}\
p{margin:6px 0;max-width:78ch}.about{color:#4a505c}\
code{font:13px/1.4 ui-monospace,Menlo,Consolas,monospace;background:#e9ebf0;border-radius:4px;padding:1px 5px}\
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px;margin:20px 0}\
.card{background:#fff;border-radius:8px;padding:12px 16px;box-shadow:0 1px 3px #0002}\
.card b{display:block;font-size:26px;line-height:1.2}.card span{color:#5b6270;font-size:13px}\
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(480px,100%),1fr));gap:16px}\
figure{background:#fff;border-radius:8px;padding:14px 16px;margin:0;box-shadow:0 1px 3px #0002}\
figcaption{font-size:13.5px;color:#4a505c;margin-top:4px}figcaption b{color:#20242c}\
svg{width:100%;height:auto;display:block}svg text{font-family:system-ui,sans-serif;font-size:13px}\
svg.map{max-width:560px;margin:0 auto}svg.map text{font-size:11px}\
table{border-collapse:collapse;background:#fff;border-radius:8px;box-shadow:0 1px 3px #0002;width:100%}\
td,th{padding:6px 14px;text-align:left;border-bottom:1px solid #eceef2;vertical-align:top}\
th{font-weight:600;white-space:nowrap}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.scroll{overflow-x:auto}.good{color:#1c7a35}.bad{color:#b22222}\
footer{margin-top:40px;color:#5b6270;font-size:13.5px;border-top:1px solid #d8dbe2;padding-top:10px}\
td{overflow-wrap:anywhere}\
@media(max-width:700px){main{padding:20px 12px 40px}td,th{padding:6px 8px}th{white-space:normal}}\
@media(prefers-color-scheme:dark){body{color:#e4e7ee;background:#14161b}\
.card,figure,table{background:#1f232b;box-shadow:none}code{background:#2a2f39}\
.about,figcaption,.card span,footer{color:#a8afbd}figcaption b{color:#e4e7ee}\
td,th{border-bottom-color:#2e343f}.good{color:#5cc47c}.bad{color:#ff7b72}\
svg{filter:invert(.87) hue-rotate(180deg)}}";

/// A page under way.
#[derive(Debug)]
pub(super) struct Page {
    body: String,
    title: String,
}

impl Page {
    pub(super) fn new(title: &str, about: &str) -> Self {
        let mut page = Self {
            body: String::new(),
            title: escape(title),
        };
        page.raw(&format!("<header><h1>{}</h1>", escape(title)));
        for paragraph in about.split("\n\n").filter(|text| !text.trim().is_empty()) {
            page.raw(&format!("<p class=\"about\">{}</p>", escape(paragraph)));
        }
        page.raw("</header>");
        page
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.raw(&format!("<h2>{}</h2>", escape(text)));
    }

    pub(super) fn paragraph(&mut self, html: &str) {
        self.raw(&format!("<p>{html}</p>"));
    }

    /// The figures that matter most.
    pub(super) fn cards(&mut self, cards: &[(&str, String)]) {
        self.raw("<div class=\"cards\">");
        for (label, value) in cards {
            let (label, value) = (escape(label), escape(value));
            self.raw(&format!(
                "<div class=\"card\"><b>{value}</b><span>{label}</span></div>"
            ));
        }
        self.raw("</div>");
    }

    pub(super) fn begin_plots(&mut self) {
        self.raw("<div class=\"plots\">");
    }

    pub(super) fn end_plots(&mut self) {
        self.raw("</div>");
    }

    /// A plot with its caption; nothing of nothing.
    pub(super) fn plot(&mut self, svg: &str, title: &str, caption: &str) {
        if !svg.is_empty() {
            let (title, caption) = (escape(title), escape(caption));
            self.raw(&format!(
                "<figure>{svg}<figcaption><b>{title}.</b> {caption}</figcaption></figure>"
            ));
        }
    }

    /// A table; columns after the first are numbers.
    pub(super) fn table(&mut self, head: &[String], rows: &[Vec<String>]) {
        self.raw("<div class=\"scroll\"><table>");
        if !head.is_empty() {
            self.row("th", head);
        }
        for row in rows {
            self.row("td", row);
        }
        self.raw("</table></div>");
    }

    /// Names and what they are.
    pub(super) fn facts(&mut self, facts: &[(String, String)]) {
        self.raw("<table>");
        for (name, fact) in facts {
            let (name, fact) = (escape(name), escape(fact));
            self.raw(&format!("<tr><th>{name}</th><td>{fact}</td></tr>"));
        }
        self.raw("</table>");
    }

    pub(super) fn raw(&mut self, html: &str) {
        self.body.push_str(html);
        self.body.push('\n');
    }

    pub(super) fn finish(self, footer: &str) -> String {
        let Self { body, title } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <title>{title}</title><style>{STYLE}</style></head>\n\
             <body><main>\n{body}<footer>{footer}</footer>\n</main></body></html>\n"
        )
    }

    fn row(&mut self, cell: &str, row: &[String]) {
        self.raw("<tr>");
        for (place, text) in row.iter().enumerate() {
            let class = if place > 0 { " class=\"n\"" } else { "" };
            self.raw(&format!("<{cell}{class}>{}</{cell}>", escape(text)));
        }
        self.raw("</tr>");
    }
}
