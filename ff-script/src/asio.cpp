// The compiled half of Asio (BOOST_ASIO_SEPARATE_COMPILATION), once for every program that links this library.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
