// Package command starts the commands that an operator has configured: what restarts a memcached, and what is to be
// run when an address has moved.
//
// It decides how they stand: without a shell, in the ordinary scheduling class and unspared when memory runs out whatever
// the agent is, with the agent's environment less what was meant for the agent alone, and with an end of their output
// kept. It never decides when they are run or what comes of it, and it does not wait for them, nor for the disk that they
// lie on where the program is ready to be their first stage (Become); nor does it take rights from them that the agent's
// user has.
package command
