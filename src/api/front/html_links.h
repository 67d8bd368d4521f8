// Links in HTML (https://html.spec.whatwg.org/#attributes-3), found and replaced; all else stays byte for byte.
//
// Thread safety: pure functions.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace minikube::api {

// `html` with every attribute that holds a URL (href, src, action, ...) of an element that has such an attribute as
// `rewrite` gives it. Anything may be passed; what is no HTML has no links.
std::string RewriteLinks(std::string_view html, const std::function<std::string(const std::string& url)>& rewrite);

}  // namespace minikube::api
