"""Starts the whole of Purser on one machine: private PostgreSQL and RabbitMQ, the four services, and what watches them.

postgres, rabbitmq    the two servers, each a child process of ours, on loopback, with data that survives a stop
distribution          where RabbitMQ comes from: installed, else unpacked from the distribution's packages
processes             one child process that never outlives us
supervisor            starts again what dies, with backoff, and gives up on what keeps dying
stack                 servers, preparation and services together; run, demo and the tests use it
run, demo             what `make run` and `make demo` call
"""
