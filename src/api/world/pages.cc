#include "api/world/pages.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <minikube/codec.h>
#include <minikube/types.h>

#include "crypto/base64url.h"

namespace minikube::api {

namespace {

constexpr std::string_view kHead = R"({"v":"meta.k8s.io/v1","rv":)";
constexpr std::string_view kMiddle = R"(,"start":")";
// Kubernetes ends the start key with a zero byte: the next key is the first that is greater.
constexpr std::string_view kTail = R"(\u0000"})";

}  // namespace

std::string PageToken::Encode() const {
  return Base64Url(fmt::format("{}{}{}{}{}", kHead, revision, kMiddle, start, kTail));
}

// Only tokens of the form that Encode gives are taken; their text is opaque to clients.
Result<PageToken> PageToken::Decode(std::string_view text) {
  const Status bad(Code::kBadRequest, "continue key is not valid: it is not a token that this server gave");
  const std::optional<std::string> json = FromBase64Url(text);
  if (!json || !json->starts_with(kHead) || !json->ends_with(kTail)) return bad;
  std::string_view rest = *json;
  rest.remove_prefix(kHead.size());
  rest.remove_suffix(kTail.size());
  PageToken token;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), token.revision);
  if (error != std::errc() || token.revision <= 0) return bad;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (!rest.starts_with(kMiddle)) return bad;
  token.start = rest.substr(kMiddle.size());
  return token;
}

void Pages::Keep(const Snapshot& world, MonoTime now) {
  std::lock_guard lock(mu_);
  for (Kept& kept : kept_) {
    if (kept.world->revision == world->revision) {
      kept.used = now;
      return;
    }
  }
  if (kept_.size() == kMaxWorlds) {
    kept_.erase(
        std::min_element(kept_.begin(), kept_.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; }));
  }
  kept_.push_back({world, now});
}

Snapshot Pages::Find(Revision revision, MonoTime now) {
  std::lock_guard lock(mu_);
  for (Kept& kept : kept_) {
    if (kept.world->revision != revision) continue;
    kept.used = now;
    return kept.world;
  }
  return nullptr;
}

void Pages::Expire(MonoTime now) {
  std::lock_guard lock(mu_);
  std::erase_if(kept_, [&](const Kept& kept) { return now - kept.used > kKeep; });
}

}  // namespace minikube::api
