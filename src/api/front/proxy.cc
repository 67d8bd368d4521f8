#include "api/front/proxy.h"

#include <functional>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "api/front/html_links.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

std::string HostOf(const ForwardTarget& to) {
  const bool v6 = to.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", to.host, to.port) : fmt::format("{}:{}", to.host, to.port);
}

constexpr std::size_t kMaxPage = 8u << 20;  // a larger one is sent as it comes, with its links as they are

bool IsHtml(const HttpReply& answer) {
  for (const auto& [name, value] : answer.headers) {
    if (EqualsIgnoreCase(name, "Content-Encoding")) return false;
  }
  return std::string_view(answer.content_type).substr(0, answer.content_type.find(';')).starts_with("text/html");
}

// A page whose links are rewritten.
class Page final : public BodySource {
 public:
  Page(std::unique_ptr<BodySource> body, std::function<std::string(const std::string&)> rewrite)
      : body_(std::move(body)), rewrite_(std::move(rewrite)) {}
  std::shared_ptr<Signal> signal() override { return body_->signal(); }
  State Pull(std::size_t want, std::string& out) override {
    if (done_) return State::kDone;
    if (passes_) return body_->Pull(want, out);
    const State state = body_->Pull(want, html_);
    if (state == State::kDone) {
      done_ = true;
      out += RewriteLinks(html_, rewrite_);
      return State::kMore;
    }
    if (html_.size() > kMaxPage) {
      passes_ = true;
      out += std::exchange(html_, {});
    }
    return state;
  }

 private:
  const std::unique_ptr<BodySource> body_;
  const std::function<std::string(const std::string&)> rewrite_;
  std::string html_;
  bool done_ = false;
  bool passes_ = false;
};

}  // namespace

std::string RewriteLocation(const std::string& location, std::string_view host, std::string_view asked,
                            std::string_view prefix) {
  std::string_view path = location;
  std::string_view authority;
  if (const std::size_t scheme = path.find("://"); scheme != std::string_view::npos) {
    path.remove_prefix(scheme + 3);
  } else if (path.starts_with("//")) {
    path.remove_prefix(2);
  } else {
    if (!path.starts_with('/')) return location;  // relative to what was asked for, so it goes through here
    return path.starts_with(prefix) ? location : fmt::format("{}{}", prefix, path);
  }
  const std::size_t end = std::min(path.find_first_of("/?#"), path.size());
  authority = path.substr(0, end);
  path.remove_prefix(end);
  if ((authority != host && authority != asked) || !path.starts_with('/')) return location;
  const bool known = path.starts_with(prefix);
  if (authority == asked) {
    const std::string_view before = std::string_view(location).substr(0, location.size() - path.size());
    return known ? location : fmt::format("{}{}{}", before, prefix, path);
  }
  return known ? std::string(path) : fmt::format("{}{}", prefix, path);
}

void ServeProxied(Forwarder& forwarder, const ForwardTarget& to, HttpRequest request, std::string proxied,
                  Function<void(HttpReply)> reply) {
  const std::string asked_target = std::exchange(request.target, std::move(proxied));
  std::string prefix = asked_target.substr(0, asked_target.size() - request.target.size());
  const bool slash = request.target.starts_with('/');
  if (!slash && request.Header("Upgrade").empty() && (request.method == "GET" || request.method == "HEAD")) {
    // So that links which are relative to the other side's root lead there.
    HttpReply redirect = TextReply("", "", 301);
    redirect.headers.emplace_back("Location", fmt::format("{}/{}", prefix, request.target));
    return reply(std::move(redirect));
  }
  if (!slash) request.target.insert(0, "/");
  const std::size_t path = std::min(request.target.find('?'), request.target.size());
  request.headers.emplace_back("X-Forwarded-Uri", prefix + request.target.substr(0, path));
  // Who wants a page is given one whose links can be read.
  if (request.Header("Accept").find("text/html") != std::string_view::npos) {
    std::erase_if(request.headers, [](const auto& field) { return EqualsIgnoreCase(field.first, "Accept-Encoding"); });
  }
  const std::string asked(request.Header("Host"));
  forwarder.Forward(
      to, std::move(request),
      [host = HostOf(to), asked, prefix = std::move(prefix), reply = std::move(reply)](Result<HttpReply> answer) {
        if (!answer) {
          return reply(StatusReply(
              {Code::kUnavailable, fmt::format("error trying to reach service: {}", answer.status().message())}));
        }
        for (auto& [name, value] : answer->headers) {
          if (EqualsIgnoreCase(name, "Location")) value = RewriteLocation(value, host, asked, prefix);
        }
        if (answer->source && IsHtml(*answer)) {
          answer->source = std::make_unique<Page>(
              std::move(answer->source),
              [host, asked, prefix](const std::string& url) { return RewriteLocation(url, host, asked, prefix); });
        }
        reply(*std::move(answer));
      });
}

}  // namespace minikube::api
