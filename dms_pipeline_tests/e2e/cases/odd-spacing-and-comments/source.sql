CREATE TABLE `odd table` (k int PRIMARY KEY, `a b` int);
INSERT INTO `odd table` VALUES (1,1);
