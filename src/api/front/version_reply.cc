#include "api/front/version_reply.h"

#include <minikube/api/version/v1.h>
#include <minikube/codec.h>
#include <minikube/version.h>

#include "api/wire/reply.h"

namespace minikube::api {

HttpReply VersionReply(bool pretty) {
  version::v1::Info info;
  const std::string_view version = kKubernetesVersion;  // "v1.36.0"
  const std::size_t dot = version.find('.');
  const std::string_view minor = version.substr(dot + 1);
  info.major = Str(version.substr(1, dot - 1));
  info.minor = Str(minor.substr(0, minor.find('.')));
  info.gitVersion = Str(version);
  info.gitCommit = MINIKUBE_COMMIT;
  info.gitTreeState = "clean";
  info.buildDate = "1970-01-01T00:00:00Z";  // the same source makes the same binary
  info.goVersion = "none";
  info.compiler = "c++20";
#if defined(__x86_64__)
  info.platform = "linux/amd64";
#elif defined(__aarch64__)
  info.platform = "linux/arm64";
#else
  info.platform = "linux/unknown";
#endif
  std::string json;
  EncodeJsonMessage(DescriptorOf<version::v1::Info>(), &info, json);
  return JsonReply(std::move(json), pretty);
}

}  // namespace minikube::api
