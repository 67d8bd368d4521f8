// A host that has a say in what its cluster takes in: pods whose images have no tag are refused, all others get a
// label; a token of the host's own is good for the API, and every write is printed.
//
//   example_own_admission
#include <cstdio>
#include <memory>
#include <string_view>

#include <minikube/minikube.h>

namespace mk = minikube;
namespace core = minikube::core::v1;

namespace {

// Mutates first, validates when the object is as it will be stored.
class TaggedImages final : public mk::AdmissionPlugin {
 public:
  std::string_view name() const override { return "TaggedImages"; }
  bool Handles(const mk::AdmissionTarget& target) const override {
    return target.resource.plural == "pods" && target.subresource.empty() &&
           target.operation == mk::AdmissionOperation::kCreate;
  }
  mk::Result<mk::Admitted> Mutate(mk::AdmissionRequest& request) override {
    request.mutable_object().mutable_meta().labels["example.com/made-by"] = "own-admission";
    return mk::Admitted::kNow;
  }
  mk::Result<mk::Admitted> Validate(mk::AdmissionRequest& request) override {
    for (const core::Container& container : request.object()->As<core::Pod>().spec.containers) {
      const std::string_view image = container.image;
      const std::string_view last = image.substr(image.rfind('/') + 1);
      if (last.find_first_of(":@") == std::string_view::npos) {
        return request.Forbid("image \"" + container.image.str() + "\" has no tag");
      }
    }
    return mk::Admitted::kNow;
  }
};

class OwnToken final : public mk::Authenticator {
 public:
  void Authenticate(const mk::Credentials& credentials, mk::Function<void(Answer)> done) override {
    if (credentials.bearer_token != "let-me-in") return done(std::optional<mk::UserInfo>());
    done(std::optional<mk::UserInfo>({"guest", "", {"guests"}}));
  }
};

class PrintWrites final : public mk::AuditSink {
 public:
  void Take(const mk::AuditEvent& event) override {
    if (event.user.name == "kubernetes-admin") std::printf("%s\n", mk::AuditJson(event).c_str());
  }
};

core::Pod PodOf(const char* name, const char* image) {
  core::Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "default";
  core::Container container;
  container.name = "main";
  container.image = image;
  pod.spec.containers.push_back(container);
  return pod;
}

}  // namespace

int main() {
  mk::ClusterOptions options;
  options.controllers.reset();
  options.scheduler.reset();
  options.api_server.extensions.admission.push_back(std::make_shared<TaggedImages>());
  options.api_server.extensions.authenticators.push_back(std::make_shared<OwnToken>());
  options.api_server.extensions.audit_sinks.push_back(std::make_shared<PrintWrites>());
  auto cluster = mk::Cluster::Start(std::move(options));
  if (!cluster) return std::fprintf(stderr, "%s\n", cluster.status().ToString().c_str()), 1;

  const auto refused = (*cluster)->client().Create(PodOf("bad", "nginx"));
  const auto made = (*cluster)->client().Create(PodOf("good", "nginx:1.29"));
  std::printf("%s\n", refused.status().message().c_str());
  const bool as_meant = refused.status().code() == mk::Code::kForbidden && made.ok() &&
                        made->metadata.labels.Contains("example.com/made-by");
  return as_meant ? 0 : 1;
}
