#include "kube/pod_security.h"

#include <minikube/codec.h>
#include <catch2/catch.hpp>

namespace minikube::kube {
namespace {

using core::v1::Pod;

Pod Parse(std::string_view spec) {
  const std::string json =
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":)" + std::string(spec) + "}";
  return Decode(MediaType::kJson, json, &DescriptorOf<Pod>(), {}).value()->As<Pod>();
}

std::string Judge(std::string_view level, std::string_view version, const Pod& pod) {
  const SecurityPolicy policy{*ParseSecurityLevel(level), *ParseSecurityVersion(version)};
  return DetailsOf(SecurityViolations(policy, pod.metadata, pod.spec));
}

TEST_CASE("pod security: what each level forbids, in Kubernetes' words") {
  struct Case {
    std::string_view level;
    std::string_view version;
    std::string_view spec;
    std::string_view says;
  };
  // With everything that "restricted" asks for.
  constexpr std::string_view kGood =
      R"("securityContext":{"allowPrivilegeEscalation":false,"runAsNonRoot":true,"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}})";
  const std::string good = R"({"containers":[{"name":"a",)" + std::string(kGood) + "}]}";
  const std::string volume =
      R"({"volumes":[{"name":"v","hostPath":{"path":"/"}},{"name":"w","nfs":{"server":"s","path":"/"}}],"containers":[{"name":"a",)" +
      std::string(kGood) + "}]}";
  const Case cases[] = {
      {"privileged", "latest", R"({"hostNetwork":true,"containers":[{"name":"a"}]})", ""},
      {"baseline", "latest", R"({"containers":[{"name":"a"}]})", ""},
      {"restricted", "latest", good, ""},
      {"baseline", "latest", R"({"hostNetwork":true,"hostPID":true,"hostIPC":true,"containers":[{"name":"a"}]})",
       "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"},
      {"baseline", "latest",
       R"({"initContainers":[{"name":"i","securityContext":{"privileged":true}}],"containers":[{"name":"a","securityContext":{"privileged":true}}]})",
       "privileged (containers \"i\", \"a\" must not set securityContext.privileged=true)"},
      {"baseline", "latest",
       R"({"containers":[{"name":"a","securityContext":{"capabilities":{"add":["SYS_ADMIN","NET_ADMIN","CHOWN"]}}}]})",
       "non-default capabilities (container \"a\" must not include \"NET_ADMIN\", \"SYS_ADMIN\" in "
       "securityContext.capabilities.add)"},
      {"baseline", "latest", R"({"containers":[{"name":"a","ports":[{"containerPort":1,"hostPort":80}]}]})",
       "hostPort (container \"a\" uses hostPort 80)"},
      {"baseline", "latest", volume, "hostPath volumes (volume \"v\")"},
      {"restricted", "latest", volume,
       "restricted volume types (volumes \"v\", \"w\" use restricted volume types \"hostPath\", \"nfs\")"},
      {"baseline", "latest", R"({"containers":[{"name":"a","livenessProbe":{"httpGet":{"host":"evil","port":1}}}]})",
       "probe or lifecycle host (container \"a\" uses probe or lifecycle host \"evil\")"},
      {"baseline", "v1.33", R"({"containers":[{"name":"a","livenessProbe":{"httpGet":{"host":"evil","port":1}}}]})",
       ""},
      {"baseline", "latest",
       R"({"securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"}]},"containers":[{"name":"a"}]})",
       "forbidden sysctls (kernel.msgmax)"},
      {"baseline", "v1.31",
       R"({"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_rmem","value":"1"}]},"containers":[{"name":"a"}]})",
       "forbidden sysctls (net.ipv4.tcp_rmem)"},
      {"baseline", "v1.32",
       R"({"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_rmem","value":"1"}]},"containers":[{"name":"a"}]})", ""},
      {"baseline", "latest",
       R"({"securityContext":{"seLinuxOptions":{"type":"spc_t","user":"u"}},"containers":[{"name":"a"}]})",
       "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may not be set)"},
      {"baseline", "latest",
       R"({"securityContext":{"seccompProfile":{"type":"Unconfined"}},"containers":[{"name":"a"}]})",
       "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")"},
      {"baseline", "latest",
       R"({"securityContext":{"appArmorProfile":{"type":"Unconfined"}},"containers":[{"name":"a"}]})",
       "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\")"},
      {"baseline", "latest", R"({"containers":[{"name":"a","securityContext":{"procMount":"Unmasked"}}]})",
       "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
      {"baseline", "latest",
       R"({"hostUsers":false,"containers":[{"name":"a","securityContext":{"procMount":"Unmasked"}}]})", ""},
      {"restricted", "v1.7", R"({"securityContext":{"runAsNonRoot":true},"containers":[{"name":"a"}]})", ""},
      {"restricted", "v1.24",
       R"({"os":{"name":"windows"},"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"a"}]})",
       "allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false), "
       "unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"])"},
      {"restricted", "v1.25",
       R"({"os":{"name":"windows"},"securityContext":{"runAsNonRoot":true},"containers":[{"name":"a"}]})", ""},
      {"restricted", "v1.34",
       R"({"hostUsers":false,"containers":[{"name":"a","securityContext":{"runAsUser":0,"runAsNonRoot":false,"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"Localhost"}}}]})",
       "runAsNonRoot != true (container \"a\" must not set securityContext.runAsNonRoot=false), runAsUser=0 (container "
       "\"a\" must not set runAsUser=0)"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.level, c.version, c.spec);
    CHECK(Judge(c.level, c.version, Parse(c.spec)) == c.says);
  }
}

TEST_CASE("pod security: levels and versions as labels spell them") {
  CHECK(SecurityPolicy{SecurityLevel::kRestricted}.ToString() == "restricted:latest");
  CHECK(SecurityPolicy{SecurityLevel::kBaseline, 24}.ToString() == "baseline:v1.24");
  CHECK_FALSE(ParseSecurityLevel("Restricted"));
  CHECK(ParseSecurityVersion("v1.0") == 0);
  for (const std::string_view bad : {"", "v1.", "v1.01", "v2.1", "1.24", "v1.-1", "v1.x"}) {
    CAPTURE(bad);
    CHECK_FALSE(ParseSecurityVersion(bad));
  }
}

}  // namespace
}  // namespace minikube::kube
