import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import { webUrl } from "@/lib/title";
import classes from "./MarkdownText.module.css";

const schema = {
  ...defaultSchema,
  // Pictures would be requested from other hosts.
  tagNames: defaultSchema.tagNames?.filter((name) => name !== "img"),
};

const components: Components = {
  a: ({ href, children }) => {
    const url = webUrl(href);
    return url ? (
      <a href={url} target="_blank" rel="noreferrer noopener">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    );
  },
};

export default function MarkdownText({ text }: { text: string }) {
  return (
    <div className={classes.markdown}>
      <ReactMarkdown
        skipHtml
        remarkPlugins={[remarkGfm]}
        rehypePlugins={[[rehypeSanitize, schema]]}
        components={components}
      >
        {text}
      </ReactMarkdown>
    </div>
  );
}
