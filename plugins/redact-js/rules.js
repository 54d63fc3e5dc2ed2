// What looks like a secret. `hints` are texts of which one must occur: looking for those is cheap. There is no lookbehind, which takes a
// hundred times as long in QuickJS; a group called `keep` does the same.

/** @type {ReadonlyArray<{ name: string, hints?: string[], pattern: RegExp }>} */
export const SECRETS = [
  { name: "private-key", hints: ["PRIVATE KEY-----"], pattern: /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g },
  { name: "aws-key", hints: ["AKIA", "ASIA"], pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
  { name: "github-token", hints: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"], pattern: /\b(?:gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{22,})/g },
  { name: "gitlab-token", hints: ["glpat-"], pattern: /\bglpat-[\w-]{20,}/g },
  { name: "slack-token", hints: ["xox"], pattern: /\bxox[abeoprs]-[0-9A-Za-z-]{10,}/g },
  { name: "slack-webhook", hints: ["hooks.slack.com/"], pattern: /(?<keep>hooks\.slack\.com\/)(?:services|workflows)\/[\w/-]+/g },
  { name: "api-key", hints: ["sk-"], pattern: /\bsk-[\w-]{20,}/g },
  { name: "stripe-key", hints: ["k_live_", "k_test_"], pattern: /\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}/g },
  { name: "google-key", hints: ["AIza"], pattern: /\bAIza[\w-]{35}/g },
  { name: "npm-token", hints: ["npm_"], pattern: /\bnpm_[0-9A-Za-z]{36}\b/g },
  { name: "pypi-token", hints: ["pypi-"], pattern: /\bpypi-[\w-]{50,}/g },
  { name: "jwt", hints: ["eyJ"], pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g },
  { name: "authorization", hints: ["earer", "BEARER", "asic", "BASIC"], pattern: /(?<keep>\b(?:bearer|basic) )[\w.~+/=-]{16,}/gi },
  { name: "url-password", hints: ["://"], pattern: /(?<keep>:\/\/[^\s:/@]{0,100}:)[^\s@/]+(?=@)/g },
  {
    name: "assignment",
    // The value in quotes, or up to white space. Names as in API_KEY=…, --password …, "clientSecret": "…".
    pattern: /(?<keep>(?:passw(?:or)?d|secret|token|api[_-]?key)[\w-]{0,20}["']?(?:\s{0,3}[=:]\s{0,3}|\s))(?:"[^"\n]{4,}"|'[^'\n]{4,}'|[^\s"'&;,[\]{}()<>|]{6,})/gi,
    probe: /passw|secret|token|api[_-]?key/i,
  },
];

export const HOME = [
  { hints: ["/home/", "/Users/"], pattern: /(?<keep>^|[^\w.~-])\/(?:home|Users)\/[^/\s"':;,()]+/g },
  { hints: ["/root"], pattern: /(?<keep>^|[^\w./~-])\/root(?=[/\s"':;,()]|$)/g },
  { hints: ["\\Users\\"], pattern: /\b[a-z]:\\Users\\[^\\\s"':;,()]+/gi },
];

export const KEYS = [
  "password",
  "passwd",
  "secret",
  "token",
  "api_key",
  "access_token",
  "refresh_token",
  "client_secret",
  "private_key",
  "authorization",
  "cookie",
];
