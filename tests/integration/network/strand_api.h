// An API in the test's process, and a strand on which it and all that uses it are.
#pragma once

#include <functional>
#include <memory>

#include <catch2/catch.hpp>

#include <minikube/latch.h>

#include "helpers/fake_api.h"

namespace minikube::test {

class StrandApi {
 public:
  ~StrandApi() { strand_->Stop(); }

  // On the strand; waits for it.
  void On(const std::function<void()>& task) {
    Latch done;
    strand_->Post([&] {
      task();
      done.Open();
    });
    REQUIRE(done.Block(std::chrono::seconds(20)));
  }
  Env& env() { return *env_; }
  FakeApi& api() { return api_; }  // on the strand
  Client& client() { return *client_; }
  Strand& strand() { return *strand_; }

 private:
  const std::unique_ptr<Env> env_ = NewRealEnv(2);
  FakeApi api_{*env_};
  const std::unique_ptr<Client> client_ = api_.NewClient();
  const std::unique_ptr<Strand> strand_ = env_->NewStrand("test");
};

}  // namespace minikube::test
