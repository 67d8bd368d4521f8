// Readers: what clients are told, compared with the truth. Reads show one revision, no older than what was
// acknowledged; watches show every change once, in order; an update changes the version that it names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <minikube/client.h>

#include "simulation/truth.h"

namespace minikube::simulation {

class Readers {
 public:
  Readers(const Truth& truth, Verdict& verdict) : truth_(truth), verdict_(verdict) {}

  // The server answers `who`, who asked when `known` was acknowledged already.
  void Answered(std::string_view who, const ApiRequest& request, const ApiResponse& response, Revision known);
  // The highest revision that anybody was told.
  Revision acknowledged() const { return acknowledged_; }

  // One watch, from its beginning on.
  class WatchCheck {
   public:
    // Empty `resource_version`: begins anywhere, and is not checked.
    WatchCheck(const Readers& readers, std::string who, const ApiRequest& request);
    void Take(const std::vector<WatchEvent>& events);

   private:
    // The next change from next_ on that this watch is to see, or the end.
    void Advance();
    bool Sees(const Object& object) const;

    const Readers& readers_;
    const std::string who_;
    const api::StoredKind* unit_;
    std::function<bool(const Object&)> selects_;
    std::size_t next_ = 0;  // in the unit's changes
    Revision reached_ = 0;  // as the last bookmark, or the request, said
    bool checked_ = false;
  };

 private:
  void CheckWrite(std::string_view who, const ApiRequest& request, const ApiResponse& response);
  void CheckList(std::string_view who, const api::StoredKind& unit, const ApiRequest& request,
                 const ApiResponse& response);

  const Truth& truth_;
  Verdict& verdict_;
  Revision acknowledged_ = 0;
};

}  // namespace minikube::simulation
