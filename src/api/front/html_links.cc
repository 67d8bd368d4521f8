#include "api/front/html_links.h"

#include <algorithm>
#include <iterator>

#include "http/message.h"

namespace minikube::api {
namespace {

struct Holder {
  std::string_view element;
  std::string_view attributes;  // with a space before and after each
};
constexpr Holder kHolders[] = {{"a", " href "},
                               {"applet", " codebase "},
                               {"area", " href "},
                               {"audio", " src "},
                               {"base", " href "},
                               {"blockquote", " cite "},
                               {"body", " background "},
                               {"button", " formaction "},
                               {"command", " icon "},
                               {"del", " cite "},
                               {"embed", " src "},
                               {"form", " action "},
                               {"frame", " longdesc src "},
                               {"head", " profile "},
                               {"html", " manifest "},
                               {"iframe", " longdesc src "},
                               {"img", " longdesc src usemap "},
                               {"input", " src usemap formaction "},
                               {"ins", " cite "},
                               {"link", " href "},
                               {"object", " classid codebase data usemap "},
                               {"q", " cite "},
                               {"script", " src "},
                               {"source", " src "},
                               {"video", " poster src "}};
// What is between their tags is text, whatever it looks like.
constexpr std::string_view kRawText[] = {"script", "style", "textarea", "title"};
constexpr std::string_view kSpace = " \t\r\n\f";
constexpr std::size_t kNone = std::string_view::npos;

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

class Rewriter {
 public:
  Rewriter(std::string_view html, const std::function<std::string(const std::string&)>& rewrite)
      : html_(html), rewrite_(rewrite) {}

  std::string Run() {
    while (at_ < html_.size()) {
      const std::size_t open = html_.find('<', at_);
      if (open == kNone) break;
      at_ = open + 1;
      if (html_.substr(at_).starts_with("!--")) {
        Skip("-->");
      } else if (at_ < html_.size() && IsLetter(html_[at_])) {
        Tag();
      }
    }
    out_ += html_.substr(copied_);
    return std::move(out_);
  }

 private:
  static bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  std::size_t FindOf(std::string_view set) const { return std::min(html_.find_first_of(set, at_), html_.size()); }
  void SkipOf(std::string_view set) { at_ = std::min(html_.find_first_not_of(set, at_), html_.size()); }
  void Skip(std::string_view end) {
    const std::size_t found = html_.find(end, at_);
    at_ = found == kNone ? html_.size() : found + end.size();
  }

  // From the first letter of a start tag's name to behind the tag, or behind the text that it begins.
  void Tag() {
    const std::size_t name_end = FindOf(" \t\r\n\f/>");
    const std::string element = Lower(html_.substr(at_, name_end - at_));
    at_ = name_end;
    const auto holder = std::find_if(std::begin(kHolders), std::end(kHolders),
                                     [&](const Holder& each) { return each.element == element; });
    while (true) {
      SkipOf(" \t\r\n\f/");
      if (at_ >= html_.size()) return;
      if (html_[at_] == '>') break;
      Attribute(holder == std::end(kHolders) ? std::string_view() : holder->attributes);
    }
    ++at_;
    if (std::find(std::begin(kRawText), std::end(kRawText), element) != std::end(kRawText)) SkipText(element);
  }

  void SkipText(std::string_view element) {
    while (true) {
      Skip("</");
      if (at_ >= html_.size() || EqualsIgnoreCase(html_.substr(at_, element.size()), element)) return;
    }
  }

  void Attribute(std::string_view links) {
    const std::size_t begin = at_;
    at_ = std::min(html_.find_first_of("= \t\r\n\f/>", begin + 1), html_.size());
    const std::string name = Lower(html_.substr(begin, at_ - begin));
    SkipOf(kSpace);
    if (at_ >= html_.size() || html_[at_] != '=') return;
    ++at_;
    SkipOf(kSpace);
    if (at_ >= html_.size()) return;
    const char quote = html_[at_];
    const bool quoted = quote == '"' || quote == '\'';
    if (quoted) ++at_;
    const std::size_t value = at_;
    at_ = quoted ? std::min(html_.find(quote, at_), html_.size()) : FindOf(" \t\r\n\f>");
    const std::size_t end = at_;
    if (quoted && at_ < html_.size()) ++at_;
    if (links.find(" " + name + " ") == kNone) return;
    out_ += html_.substr(copied_, value - copied_);
    out_ += rewrite_(std::string(html_.substr(value, end - value)));
    copied_ = end;
  }

  const std::string_view html_;
  const std::function<std::string(const std::string&)>& rewrite_;
  std::size_t at_ = 0;
  std::size_t copied_ = 0;  // of html_, into out_
  std::string out_;
};

}  // namespace

std::string RewriteLinks(std::string_view html, const std::function<std::string(const std::string& url)>& rewrite) {
  return Rewriter(html, rewrite).Run();
}

}  // namespace minikube::api
