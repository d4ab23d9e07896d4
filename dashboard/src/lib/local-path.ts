/** `next` if it is a path of this site, else `/`: a link to the login must not lead anywhere else afterwards. */
export function localPath(next: string | undefined): string {
  if (!next) return "/";
  const base = "http://dashboard.invalid";
  const url = URL.canParse(next, base) ? new URL(next, base) : undefined;
  if (!url || url.origin !== base || url.pathname === "/login") return "/";
  return url.pathname + url.search + url.hash;
}
