#pragma once

#include <pthread.h>

#include <utility>

#include "dns/plan.h"

namespace weft::dns {

/// A Zone that one thread changes while others answer from it. Both sides hold it for microseconds: a change
/// is one object, a reader holds it for one batch of datagrams. Writers go first, so that busy readers cannot
/// keep a change out.
class SharedZone {
 public:
  explicit SharedZone(ZoneOptions options) : zone_(std::move(options)) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  SharedZone(const SharedZone&) = delete;
  SharedZone& operator=(const SharedZone&) = delete;
  ~SharedZone() { pthread_rwlock_destroy(&lock_); }

  template <class Fn>
  void write(Fn&& fn) {
    pthread_rwlock_wrlock(&lock_);
    Unlock unlock{&lock_};
    fn(zone_);
  }
  template <class Fn>
  void read(Fn&& fn) const {
    pthread_rwlock_rdlock(&lock_);
    Unlock unlock{&lock_};
    fn(std::as_const(zone_));
  }

 private:
  struct Unlock {
    pthread_rwlock_t* lock;
    ~Unlock() { pthread_rwlock_unlock(lock); }
  };
  mutable pthread_rwlock_t lock_;
  Zone zone_;
};

}  // namespace weft::dns
