CREATE TABLE `t😀` (k int PRIMARY KEY, `c😀` int);
INSERT INTO `t😀` VALUES (1,1);
