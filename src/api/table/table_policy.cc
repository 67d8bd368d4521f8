// Access, disruption, certificates and the API's own registrations.
#include <fmt/format.h>

#include <minikube/api/apiregistration/v1.h>
#include <minikube/api/certificates/v1.h>
#include <minikube/api/policy/v1.h>
#include <minikube/api/rbac/v1.h>

#include "api/table/table_cells.h"

namespace minikube::api {
namespace {

void PrintBinding(const meta::v1::ObjectMeta& meta, const rbac::v1::RoleRef& role,
                  const List<rbac::v1::Subject>& subjects, const std::string& age, Cells& cells) {
  std::vector<std::string> users;
  std::vector<std::string> groups;
  std::vector<std::string> accounts;
  for (const auto& subject : subjects) {
    if (subject.kind == "User") users.push_back(subject.name.str());
    if (subject.kind == "Group") groups.push_back(subject.name.str());
    if (subject.kind == "ServiceAccount") {
      accounts.push_back(fmt::format("{}/{}", subject.namespace_.view(), subject.name.view()));
    }
  }
  cells.Text(meta.name).Text(fmt::format("{}/{}", role.kind.view(), role.name.view())).Text(age);
  cells.Text(JoinTexts(users, ", ")).Text(JoinTexts(groups, ", ")).Text(JoinTexts(accounts, ", "));
}

void PrintRoleBinding(const Object& object, WallTime now, Cells& cells) {
  const auto& binding = object.As<rbac::v1::RoleBinding>();
  PrintBinding(binding.metadata, binding.roleRef, binding.subjects, AgeOf(object, now), cells);
}

void PrintClusterRoleBinding(const Object& object, WallTime now, Cells& cells) {
  const auto& binding = object.As<rbac::v1::ClusterRoleBinding>();
  PrintBinding(binding.metadata, binding.roleRef, binding.subjects, AgeOf(object, now), cells);
}

std::string BoundText(const std::optional<IntOrString>& bound) {
  if (!bound) return "N/A";
  return bound->is_string ? bound->string_value.str() : fmt::format("{}", bound->int_value);
}

void PrintDisruptionBudget(const Object& object, WallTime now, Cells& cells) {
  const auto& budget = object.As<policy::v1::PodDisruptionBudget>();
  cells.Text(budget.metadata.name)
      .Text(BoundText(budget.spec.minAvailable))
      .Text(BoundText(budget.spec.maxUnavailable));
  cells.Int(budget.status.disruptionsAllowed).Text(AgeOf(object, now));
}

void PrintSigningRequest(const Object& object, WallTime now, Cells& cells) {
  const auto& request = object.As<certificates::v1::CertificateSigningRequest>();
  std::string condition;
  for (const std::string_view type : {"Approved", "Denied", "Failed"}) {
    for (const auto& entry : request.status.conditions) {
      if (entry.type != type || entry.status == "False") continue;
      if (!condition.empty()) condition += ',';
      condition += type;
      break;
    }
  }
  if (condition.empty()) condition = "Pending";
  if (!request.status.certificate.empty()) condition += ",Issued";
  cells.Text(request.metadata.name).Text(AgeOf(object, now)).TextOr(request.spec.signerName, kNone);
  cells.Text(request.spec.username);
  cells.Text(request.spec.expirationSeconds ? HumanDuration(std::chrono::seconds(*request.spec.expirationSeconds))
                                            : std::string(kNone));
  cells.Text(condition);
}

void PrintApiService(const Object& object, WallTime now, Cells& cells) {
  const auto& service = object.As<apiregistration::v1::APIService>();
  std::string available = "Unknown";
  for (const auto& condition : service.status.conditions) {
    if (condition.type != "Available") continue;
    available = condition.status.str();
    if (condition.status != "True") available += fmt::format(" ({})", condition.reason.view());
  }
  const auto& target = service.spec.service;
  cells.Text(service.metadata.name);
  cells.Text(target ? fmt::format("{}/{}", target->namespace_.view(), target->name.view()) : "Local");
  cells.Text(available).Text(AgeOf(object, now));
}

}  // namespace

Printer FindPolicyPrinter(const MessageDesc& desc) {
  if (&desc == &DescriptorOf<rbac::v1::RoleBinding>()) return PrintRoleBinding;
  if (&desc == &DescriptorOf<rbac::v1::ClusterRoleBinding>()) return PrintClusterRoleBinding;
  if (&desc == &DescriptorOf<policy::v1::PodDisruptionBudget>()) return PrintDisruptionBudget;
  if (&desc == &DescriptorOf<certificates::v1::CertificateSigningRequest>()) return PrintSigningRequest;
  if (&desc == &DescriptorOf<apiregistration::v1::APIService>()) return PrintApiService;
  return nullptr;
}

}  // namespace minikube::api
