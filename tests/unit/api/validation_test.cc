// What Kubernetes refuses, warns about or completes, one manifest each: the kinds' rules as users meet them.
#include <minikube/api/autoscaling/v2.h>
#include <minikube/codec.h>

#include "unit/api/engine_fixture.h"

namespace minikube::api::testing {
namespace {

Result<ApiResponse> CreateYaml(Fixture& f, std::string_view yaml) {
  Result<ObjectPtr> object = Decode(MediaType::kYaml, yaml, nullptr);
  REQUIRE(object.ok());
  ApiRequest request;
  request.verb = Verb::kCreate;
  for (const ResourceDesc& resource : AllResources()) {
    if (resource.message == &(*object)->desc()) request.resource = &resource;
  }
  REQUIRE(request.resource != nullptr);
  if (request.resource->namespaced) request.ns = "default";
  request.object = std::move(object).value().Freeze();
  return f.client->DoSync(std::move(request));
}

struct Case {
  const char* yaml;
  const char* says;  // part of the error, or of a warning
};

std::string Pod(std::string_view spec) {
  return std::string("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: ") + std::string(spec);
}

void CheckRefused(const std::string& yaml, std::string_view says, Code code = Code::kInvalid) {
  Fixture f;
  CAPTURE(yaml);
  const Result<ApiResponse> result = CreateYaml(f, yaml);
  CAPTURE(result.status().message());
  CHECK(result.status().code() == code);
  CHECK(result.status().message().find(says) != std::string::npos);
}

void CheckWarned(const std::string& yaml, std::string_view says) {
  Fixture f;
  CAPTURE(yaml);
  const Result<ApiResponse> result = CreateYaml(f, yaml);
  CAPTURE(result.status().message());
  REQUIRE(result.ok());
  std::string all;
  for (const std::string& warning : result->warnings) all += warning + "\n";
  CAPTURE(all);
  CHECK(all.find(says) != std::string::npos);
}

TEST_CASE("pods that Kubernetes refuses", "[validation]") {
  const Case cases[] = {
      {"{containers: [{name: c, image: i}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
       "{nodeSelectorTerms: []}}}}",
       "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: "
       "must have at least one node selector term"},
      {"{containers: [{name: c, image: i}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
       "{nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In}]}]}}}}",
       "nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or "
       "'NotIn'"},
      {"{containers: [{name: c, image: i, securityContext: {capabilities: {add: [CAP_SYS_ADMIN]}, "
       "allowPrivilegeEscalation: false}}]}",
       "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"},
      {"{containers: [{name: c, image: i}], dnsPolicy: None}", "must provide `dnsConfig` when `dnsPolicy` is None"},
      {"{containers: [{name: c, image: i}], dnsPolicy: None, dnsConfig: {}}",
       "must provide at least one DNS nameserver when `dnsPolicy` is None"},
      {"{containers: [{name: c, image: i, resources: {limits: {a.com/x: 500m}}}]}", "must be an integer"},
      {"{containers: [{name: c, image: i, resources: {limits: {gpu: 1}}}]}",
       "must be a standard resource for containers"},
      {"{containers: [{name: c, image: i, env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.containers}}}]}]}",
       "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.containers\": error converting "
       "fieldPath: field label not supported: spec.containers"},
      {"{containers: [{name: c, image: i}], hostAliases: [{ip: x, hostnames: [a]}]}", "must be a valid IP address"},
      {"{containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 8080}, {containerPort: 81, hostPort: "
       "8080}]}]}",
       "spec.containers[0].ports[1].hostPort: Duplicate value"},
      {"{containers: [{name: c, image: i, resources: {limits: {hugepages-2Mi: 4Mi}}}]}",
       "HugePages require cpu or memory"},
      {"{containers: [{name: c, image: i}], initContainers: [{name: i, image: i, readinessProbe: {tcpSocket: {port: "
       "1}}}]}",
       "may not be set for init containers without restartPolicy=Always"},
      {"{containers: [{name: c, image: i}], os: {name: plan9}}", "spec.os: Unsupported value: \"plan9\""},
      {"{containers: [{name: c, image: i, livenessProbe: {tcpSocket: {port: 0}}}]}",
       "must be between 1 and 65535, inclusive"},
      {"{containers: [{name: c, image: i, readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 5}}]}",
       "must not be set for readinessProbes"},
      {"{containers: [{name: c, image: i}], shareProcessNamespace: true, hostPID: true}",
       "ShareProcessNamespace and HostPID cannot both be enabled"},
      {"{containers: [{name: c, image: i}], topologySpreadConstraints: [{maxSkew: 1, minDomains: 2, topologyKey: a, "
       "whenUnsatisfiable: ScheduleAnyway}]}",
       "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"},
      {"{containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}]}], "
       "volumes: [{name: v}]}",
       "Bidirectional mount propagation is available only to privileged containers"},
      {"{containers: [{name: c, image: i}], volumes: [{name: v, nfs: {server: s, path: a}}]}",
       "must be an absolute path"},
      {"{containers: [{name: c, image: i}], securityContext: {sysctls: [{name: A, value: b}]}}",
       "must have at most 253 characters"},
  };
  for (const Case& c : cases) CheckRefused(Pod(c.yaml), c.says);
  CheckRefused(Pod("{containers: [{name: c, image: i}], runtimeClassName: nope}"), "RuntimeClass \"nope\" not found",
               Code::kForbidden);
  CheckRefused(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p, finalizers: [foo]}\nspec: {containers: [{name: c, image: i}]}",
      "name is neither a standard finalizer name nor is it fully qualified");
}

TEST_CASE("objects that Kubernetes refuses", "[validation]") {
  const std::string job =
      "jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}";
  const std::string pods =
      "selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: "
      "i}]}}";
  const auto of = [](std::string_view version, std::string_view kind, const std::string& spec) {
    return "apiVersion: " + std::string(version) + "\nkind: " + std::string(kind) + "\nmetadata: {name: x}\n" + spec;
  };
  CheckRefused(of("batch/v1", "CronJob", "spec: {schedule: '* * * *', " + job + "}"), "expected exactly 5 fields");
  CheckRefused(of("batch/v1", "CronJob", "spec: {schedule: '61 * * * *', " + job + "}"), "above maximum (59)");
  CheckRefused(of("batch/v1", "CronJob", "spec: {schedule: '* * * * *', timeZone: Mars/Base, " + job + "}"),
               "unknown time zone Mars/Base");
  CheckRefused(of("apps/v1", "Deployment", "spec: {strategy: {rollingUpdate: {maxUnavailable: 101%}}, " + pods + "}"),
               "must not be greater than 100%");
  CheckRefused(of("apps/v1", "StatefulSet",
                  "spec: {serviceName: x, updateStrategy: {type: OnDelete, rollingUpdate: {}}, " + pods + "}"),
               "only allowed for updateStrategy 'RollingUpdate'");
  CheckRefused(
      of("autoscaling/v2", "HorizontalPodAutoscaler",
         "spec: {scaleTargetRef: {kind: Deployment, name: x, apiVersion: apps/v1}, maxReplicas: 1, minReplicas: 2}"),
      "must be greater than or equal to `minReplicas`");
  const std::string backend = "backend: {service: {name: s, port: {number: 80}}}";
  CheckRefused(of("networking.k8s.io/v1", "Ingress",
                  "spec: {rules: [{http: {paths: [{path: /a//b, pathType: Prefix, " + backend + "}]}}]}"),
               "must not contain '//'");
  CheckRefused(of("networking.k8s.io/v1", "Ingress",
                  "spec: {rules: [{http: {paths: [{path: x, pathType: Prefix, " + backend + "}]}}]}"),
               "must be an absolute path");
  CheckRefused(of("networking.k8s.io/v1", "Ingress", "spec: {rules: [{host: 1.2.3.4}]}"),
               "must be a DNS name, not an IP address");
  CheckRefused(of("networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: {}, ingress: [{from: [{}]}]}"),
               "must specify a peer");
  CheckRefused(of("networking.k8s.io/v1", "NetworkPolicy",
                  "spec: {podSelector: {}, ingress: [{ports: [{port: 100, endPort: 99}]}]}"),
               "must be greater than or equal to `port`");
  CheckRefused(of("policy/v1", "PodDisruptionBudget", "spec: {minAvailable: -1}"),
               "must be greater than or equal to 0");
  CheckRefused(of("v1", "LimitRange", "spec: {limits: [{type: Container, max: {cpu: '1'}, min: {cpu: '2'}}]}"),
               "min value 2 is greater than max value 1");
  CheckRefused(of("v1", "ResourceQuota", "spec: {hard: {pods: '-1'}}"), "must be greater than or equal to 0");
  CheckRefused(of("v1", "PersistentVolume", "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]}"),
               "must specify a volume type");
  CheckRefused(of("v1", "PersistentVolumeClaim",
                  "spec: {accessModes: [ReadWriteOncePod, ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"),
               "may not use ReadWriteOncePod with other access modes");
  CheckRefused(of("v1", "Secret", "type: kubernetes.io/basic-auth"), "username");
  CheckRefused(of("v1", "Service", "spec: {ipFamilyPolicy: RequireDualStack, ports: [{port: 53}]}"),
               "this cluster is not configured for dual-stack services");
  CheckRefused(of("v1", "Service", "spec: {externalTrafficPolicy: Local, ports: [{port: 53}]}"),
               "may only be set for externally-accessible services");
  CheckRefused(of("v1", "Service", "spec: {ipFamilies: [IPv6], ports: [{port: 53}]}"),
               "not configured on this cluster");
  CheckRefused(
      of("apiextensions.k8s.io/v1", "CustomResourceDefinition",
         "spec: {group: x.io, names: {plural: foos, kind: Foo}, scope: Namespaced, versions: [{name: v1, served: "
         "true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}"),
      "must be spec.names.plural+\".\"+spec.group");
}

TEST_CASE("what Kubernetes warns of", "[validation]") {
  CheckWarned("apiVersion: v1\nkind: Pod\nmetadata: {name: a.b}\nspec: {containers: [{name: c, image: i}]}",
              "metadata.name: this is used in the Pod's hostname");
  CheckWarned(Pod("{containers: [{name: c, image: i, ports: [{containerPort: 80}, {containerPort: 80}]}]}"),
              "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]");
  CheckWarned(Pod("{containers: [{name: c, image: i}], volumes: [{name: v, gitRepo: {repository: x}}]}"),
              "spec.volumes[0].gitRepo: deprecated in v1.11");
  CheckWarned(Pod("{containers: [{name: c, image: i, env: [{name: A, value: b}, {name: A, value: c}]}]}"),
              "spec.containers[0].env[1]: hides previous definition of \"A\"");
  CheckWarned(
      "apiVersion: v1\nkind: Endpoints\nmetadata: {name: e}\nsubsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: "
      "80}]}]",
      "v1 Endpoints is deprecated in v1.33+");
  CheckWarned(
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, annotations: {kubernetes.io/ingress.class: "
      "nginx}}\n"
      "spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}",
      "annotation \"kubernetes.io/ingress.class\" is deprecated");
  CheckWarned(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p, ownerReferences: [{apiVersion: v1, kind: Pod, name: a, uid: "
      "'1'}, "
      "{apiVersion: v1, kind: Pod, name: a, uid: '1'}]}\nspec: {containers: [{name: c, image: i}]}",
      "metadata.ownerReferences contains duplicate entries");
}

TEST_CASE("what Kubernetes completes", "[validation]") {
  Fixture f;
  const Result<ApiResponse> pod =
      CreateYaml(f, Pod("{containers: [{name: c, image: i}], terminationGracePeriodSeconds: -5}"));
  REQUIRE(pod.ok());
  CHECK(pod->object->As<core::v1::Pod>().spec.terminationGracePeriodSeconds == 1);
  const Result<ApiResponse> scaler =
      CreateYaml(f,
                 "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\n"
                 "spec: {scaleTargetRef: {kind: Deployment, name: x, apiVersion: apps/v1}, maxReplicas: 3}");
  REQUIRE(scaler.ok());
  const auto& metrics = scaler->object->As<autoscaling::v2::HorizontalPodAutoscaler>().spec.metrics;
  REQUIRE(metrics.size() == 1);
  CHECK(metrics[0].resource->target.averageUtilization == 80);
}

}  // namespace
}  // namespace minikube::api::testing
